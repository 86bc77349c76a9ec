"""Every check of the Pod Security Standards with the versions of them that it came with.

Source: kubernetes staging/src/k8s.io/pod-security-admission/policy.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from pilothouse.engine.apiserver.admission.pod_security import baseline, restricted
from pilothouse.engine.apiserver.admission.pod_security.finding import Check, Finding
from pilothouse.engine.apiserver.admission.pod_security.policy import BASELINE, PRIVILEGED, RESTRICTED, Level
from pilothouse.model.json import Object
from pilothouse.model.version import KUBERNETES

SERVED_MINOR = int(KUBERNETES.split(".")[1])
"""Newer versions, `latest` among them, are judged as this one."""


@dataclass(frozen=True, slots=True)
class VersionedCheck:
    """revisions: minor versions from which on a check holds, ascending. replaces: the rule of the baseline that this one includes."""

    id: str
    revisions: tuple[tuple[int, Check], ...]
    replaces: str = ""

    def at(self, minor: int) -> Check | None:
        return next((check for since, check in reversed(self.revisions) if since <= minor), None)


_escalation, _capabilities, _seccomp = restricted.privilege_escalation, restricted.capabilities, restricted.seccomp_required
_non_root, _user = restricted.run_as_non_root, restricted.run_as_user

# Both tables are in the order in which a refusal lists what is wrong.
_BASELINE = (
    VersionedCheck("appArmorProfile", ((0, baseline.apparmor),)),
    VersionedCheck("capabilities_baseline", ((0, baseline.capabilities),)),
    VersionedCheck("hostNamespaces", ((0, baseline.host_namespaces),)),
    VersionedCheck("hostPathVolumes", ((0, baseline.host_path_volumes),)),
    VersionedCheck("hostPorts", ((0, baseline.host_ports),)),
    VersionedCheck("hostProbesAndHostLifecycle", ((34, baseline.host_handlers),)),
    VersionedCheck("privileged", ((0, baseline.privileged),)),
    VersionedCheck("procMount", ((0, baseline.proc_mount), (35, baseline.proc_mount_1_35))),
    VersionedCheck("seLinuxOptions", ((0, baseline.selinux_1_0), (31, baseline.selinux_1_31))),
    VersionedCheck("seccompProfile_baseline", ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    VersionedCheck(
        "sysctls",
        ((0, baseline.sysctls_1_0), (27, baseline.sysctls_1_27), (29, baseline.sysctls_1_29), (32, baseline.sysctls_1_32)),
    ),
    VersionedCheck("windowsHostProcess", ((0, baseline.host_process),)),
)
_RESTRICTED = (
    VersionedCheck("allowPrivilegeEscalation", ((8, _escalation), (25, restricted.unless_windows(_escalation)))),
    VersionedCheck(
        "capabilities_restricted", ((22, _capabilities), (25, restricted.unless_windows(_capabilities))), "capabilities_baseline"
    ),
    VersionedCheck("procMount_restricted", ((35, baseline.proc_mount),), "procMount"),
    VersionedCheck("restrictedVolumes", ((0, restricted.volume_types),), "hostPathVolumes"),
    VersionedCheck("runAsNonRoot", ((0, _non_root), (35, restricted.unless_user_namespace(_non_root)))),
    VersionedCheck("runAsUser", ((23, _user), (35, restricted.unless_user_namespace(_user)))),
    VersionedCheck("seccompProfile_restricted", ((19, _seccomp), (25, restricted.unless_windows(_seccomp))), "seccompProfile_baseline"),
)


def findings(level: Level, metadata: Object, spec: Object) -> list[Finding]:
    """What a pod may not have at this level, in the table's order."""
    minor = SERVED_MINOR if level.minor is None else min(level.minor, SERVED_MINOR)
    found = [check(metadata, spec) for check in _checks(level.name, minor)]
    return [each for each in found if each is not None]


@cache
def _checks(name: str, minor: int) -> tuple[Check, ...]:
    if name == PRIVILEGED:
        return ()
    if name == BASELINE:
        return _standing(_BASELINE, minor)
    assert name == RESTRICTED, name
    replaced = {rule.replaces for rule in _RESTRICTED if rule.at(minor) is not None}
    return _standing((rule for rule in _BASELINE if rule.id not in replaced), minor) + _standing(_RESTRICTED, minor)


def _standing(rules: Iterable[VersionedCheck], minor: int) -> tuple[Check, ...]:
    return tuple(check for rule in rules if (check := rule.at(minor)) is not None)
