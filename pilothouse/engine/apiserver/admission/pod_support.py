"""Refuses what a pod asks for and this platform does not carry out, and warns of what it leaves undone.

Pods and the templates they come from are held against one table, so that a Deployment is refused when it is made and not its pods
one by one. What an object asked for before it was changed stays: it can still be updated.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_support.judge import Finding, judge
from pilothouse.model.json import Object

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


class PodSupport:
    async def validate(self, write: Write) -> None:
        path = SPECS.get(write.group_resource)
        if path is None or write.operation not in ("CREATE", "UPDATE") or write.subresource:
            return
        new, old = at(write.new(), path), at(write.old or {}, path)
        if new == old:
            return
        before = {(each.path, each.rule.note) for each in judge(old, path)}
        found = [each for each in judge(new, path) if (each.path, each.rule.note) not in before]
        _refuse(write, [each for each in found if each.is_refused])
        for each in found:
            write.warn(f"{each.path}: {each.rule.note}")


def _refuse(write: Write, found: list[Finding]) -> None:
    if found:
        causes = [field.forbidden(each.path, each.rule.note) for each in found]
        raise write.served.invalid(write.name, causes)


def at(obj: Object, path: str) -> Object:
    """What lies at a dotted path; {} when nothing does."""
    here = obj
    for name in path.split("."):
        here = here.get(name) or {}
    return here
