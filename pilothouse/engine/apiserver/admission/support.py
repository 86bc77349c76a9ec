"""Refuses what an object asks for and this platform does not carry out, and warns of what it leaves undone.

Pods and the templates they come from are held against one table, so that a Deployment is refused when it is made and not its pods
one by one. What an object asked for before it was changed stays: it can still be updated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.support.endpointslices import ENDPOINT_SLICES
from pilothouse.engine.apiserver.kinds.support.judge import Finding, judge
from pilothouse.engine.apiserver.kinds.support.pods import PODS, UNSAFE_SYSCTL
from pilothouse.engine.apiserver.kinds.support.services import SERVICES
from pilothouse.engine.apiserver.kinds.support.storage import CLAIMS, CLASSES, VOLUMES
from pilothouse.engine.apiserver.kinds.support.table import Table
from pilothouse.model import sysctls
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES

_TEMPLATE = "spec.template.spec"
SPECS = {
    "pods": "spec",
    "podtemplates": "template.spec",
    "replicationcontrollers": _TEMPLATE,
    "deployments.apps": _TEMPLATE,
    "replicasets.apps": _TEMPLATE,
    "statefulsets.apps": _TEMPLATE,
    "daemonsets.apps": _TEMPLATE,
    "jobs.batch": _TEMPLATE,
    "cronjobs.batch": "spec.jobTemplate.spec.template.spec",
}
"""Where the spec of a pod lies in each resource that holds one."""


@dataclass(frozen=True, slots=True)
class Judged:
    """path: dotted, of the part that the table is about; "" for the whole object."""

    table: Table
    path: str = ""

    def findings(self, obj: Object) -> list[Finding]:
        return judge(self.table, at(obj, self.path), self.path)


SUBRESOURCES = ("", "ephemeralcontainers", "resize")
"""Through which a spec is written."""

JUDGED: Mapping[str, Judged] = {
    **{resource: Judged(PODS, path) for resource, path in SPECS.items()},
    "services": Judged(SERVICES),
    "endpointslices.discovery.k8s.io": Judged(ENDPOINT_SLICES),
    PERSISTENTVOLUMECLAIMS.group_resource: Judged(CLAIMS),
    PERSISTENTVOLUMES.group_resource: Judged(VOLUMES),
    STORAGECLASSES.group_resource: Judged(CLASSES),
}


class Support:
    """allowed_sysctls: patterns of kernel parameters that pods may set beside the safe ones."""

    def __init__(self, allowed_sysctls: Sequence[str] = ()) -> None:
        self._allowed_sysctls = allowed_sysctls

    async def validate(self, write: Write) -> None:
        judged = JUDGED.get(write.group_resource)
        if judged is None or write.operation not in ("CREATE", "UPDATE") or write.subresource not in SUBRESOURCES:
            return
        if write.old is not None and at(write.new(), judged.path) == at(write.old, judged.path):
            return
        before = {(each.path, each.rule.note) for each in judged.findings(write.old or {})}
        found = [each for each in judged.findings(write.new()) if (each.path, each.rule.note) not in before]
        found = [each for each in found if not self._is_allowed(each)]
        _refuse(write, [each for each in found if each.is_refused])
        for each in found:
            write.warn(f"{each.path}: {each.rule.note}")

    def _is_allowed(self, found: Finding) -> bool:
        return found.rule is UNSAFE_SYSCTL and sysctls.is_allowed(found.value, self._allowed_sysctls)


def _refuse(write: Write, found: list[Finding]) -> None:
    if found:
        causes = [field.forbidden(each.path, each.rule.note) for each in found]
        raise write.served.invalid(write.name, causes)


def at(obj: Object, path: str) -> Object:
    """What lies at a dotted path, the object itself at ""; {} when nothing does."""
    here = obj
    for name in path.split(".") if path else ():
        here = here.get(name) or {}
    return here
