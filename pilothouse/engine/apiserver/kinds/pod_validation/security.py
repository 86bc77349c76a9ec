"""Security contexts of pods and containers."""

import re
from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import descending
from pilothouse.engine.apiserver.kinds.pod_validation.windows import validate_windows_options
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL_MAX = 253
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.")
APPARMOR_MAX_BYTES = 4095
_is_sysctl = re.compile(SYSCTL).fullmatch


def validate_container_context(context: Object, *, host_users: bool, path: str) -> list[Cause]:
    causes = _ids(context, ("runAsUser", "runAsGroup"), path)
    if (proc := context.get("procMount")) is not None:
        causes += _proc_mount(proc, host_users, f"{path}.procMount")
    if (profile := context.get("seccompProfile")) is not None:
        causes += _seccomp(profile, f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        causes += _escalation(context, path)
    return causes + _windows_and_app_armor(context, path)


def _windows_and_app_armor(context: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if (options := context.get("windowsOptions")) is not None:
        causes += validate_windows_options(options, f"{path}.windowsOptions")
    if (profile := context.get("appArmorProfile")) is not None:
        causes += validate_app_armor(profile, f"{path}.appArmorProfile")
    return causes


def _ids(context: Object, fields: tuple[str, ...], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in field.until_enough(causes, fields):
        if (number := context.get(name)) is not None:
            causes += field.each_invalid(f"{path}.{name}", number, names.user_id(number))
    return causes


def _proc_mount(proc: str, host_users: bool, path: str) -> list[Cause]:
    if proc not in ("Default", "Unmasked"):
        return [field.not_supported(path, proc, ("Default", "Unmasked"))]
    if proc == "Unmasked" and host_users:
        return [field.invalid(path, proc, "`hostUsers` must be false to use `Unmasked`")]
    return []


def _escalation(context: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if context.get("privileged"):
        causes.append(field.invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
        detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        causes.append(field.invalid(path, context, detail))
    return causes


def _seccomp(profile: Object, path: str) -> list[Cause]:
    causes = _profile_type(profile, "seccomp", path)
    local: Any = profile.get("localhostProfile")
    if profile.get("type") == "Localhost":
        if local is None:
            return [*causes, field.required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")]
        return causes + descending(local, f"{path}.localhostProfile")
    if local is not None:
        causes.append(field.invalid(f"{path}.localhostProfile", profile, "can only be set when seccomp type is Localhost"))
    return causes


def validate_app_armor(profile: Object, path: str) -> list[Cause]:
    local: Any = profile.get("localhostProfile")
    here = f"{path}.localhostProfile"
    if causes := _profile_type(profile, "appArmor", path):
        return causes
    if profile["type"] != "Localhost":
        return [] if local is None else [field.invalid(here, local, "can only be set when AppArmor type is Localhost")]
    if not local:
        return [field.required(here, "must be set when AppArmor type is Localhost")]
    causes = [] if local == local.strip() else [field.invalid(here, local, "must not be padded with whitespace")]
    return causes if len(local.encode()) <= APPARMOR_MAX_BYTES else [*causes, field.too_long(here, APPARMOR_MAX_BYTES)]


def _profile_type(profile: Object, what: str, path: str) -> list[Cause]:
    kind = profile.get("type") or ""
    if not kind:
        return [field.required(f"{path}.type", f"type is required when {what}Profile is set")]
    return [] if kind in PROFILES else [field.not_supported(f"{path}.type", kind, PROFILES)]


def validate_pod_context(spec: Object, path: str) -> list[Cause]:
    """path: of the pod's spec."""
    context = spec.get("securityContext") or {}
    here = f"{path}.securityContext"
    causes = _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), here) if context else []
    for i, group in field.until_enough(causes, enumerate(context.get("supplementalGroups") or ())):
        causes += field.each_invalid(f"{here}.supplementalGroups[{i}]", group, names.user_id(group))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        # Upstream reports it in the security context, where it keeps the field internally.
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.append(field.invalid(f"{here}.shareProcessNamespace", True, detail))
    if not context:
        return causes
    causes += _sysctls(context.get("sysctls") or [], spec, f"{here}.sysctls")
    causes += _choice(context, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), here)
    if (profile := context.get("seccompProfile")) is not None:
        causes += _seccomp(profile, f"{here}.seccompProfile")
    causes += _windows_and_app_armor(context, here)
    causes += _choice(context, "supplementalGroupsPolicy", ("Merge", "Strict"), here)
    return causes + _choice(context, "seLinuxChangePolicy", ("MountOption", "Recursive"), here)


def _choice(context: Object, name: str, supported: tuple[str, ...], path: str) -> list[Cause]:
    value = context.get(name)
    return field.none_or_one_of(f"{path}.{name}", value, supported)


def _sysctls(sysctls: list[Object], spec: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, sysctl in field.until_enough(causes, enumerate(sysctls)):
        name, here = sysctl.get("name") or "", f"{path}[{i}].name"
        if not name:
            causes.append(field.required(here))
        elif len(name) > SYSCTL_MAX or not _is_sysctl(name):
            causes.append(field.invalid(here, name, f"must have at most {SYSCTL_MAX} characters and match regex ^{SYSCTL}$"))
        else:
            causes += unique.check(here, name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            causes.append(field.invalid(here, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and (dotted == "kernel.sem" or dotted.startswith(_IPC_SYSCTLS)):
            causes.append(field.invalid(here, name, "may not be specified when 'hostIPC' is true"))
    return causes
