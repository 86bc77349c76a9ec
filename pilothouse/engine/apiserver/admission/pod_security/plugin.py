"""Holds pods against the level of their namespace, and warns of templates whose pods would not be let in, or notes it for the audit log.

Nobody is exempt, no user, no namespace and no runtime class.
Source: kubernetes pod-security-admission/admission.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.pod_security import existing
from pilothouse.engine.apiserver.admission.pod_security.finding import Finding
from pilothouse.engine.apiserver.admission.pod_security.policy import PREFIX, PRIVILEGED, Level, Policy, causes_of, policy_of
from pilothouse.engine.apiserver.admission.pod_security.table import findings
from pilothouse.engine.apiserver.admission.support import SPECS, at
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, PODS

_ENFORCED, _VIOLATIONS, _ERROR = f"{PREFIX}enforce-policy", f"{PREFIX}audit-violations", f"{PREFIX}error"
"""What is noted of a request."""


class PodSecurity:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def validate(self, write: Write) -> None:
        if write.operation not in ("CREATE", "UPDATE"):
            return
        resource = write.group_resource
        if resource == "namespaces" and not write.subresource:
            self._check_namespace(write)
        elif resource == "pods" and write.subresource in ("", "ephemeralcontainers"):
            self._check_pod(write)
        elif resource in SPECS and not write.subresource:
            self._check_template(write)

    def _policy(self, write: Write) -> Policy:
        namespace = self._objects.latest(NAMESPACES, "", write.namespace)
        if namespace is None:
            return Policy()
        labels = _labels(namespace)
        if causes := causes_of(labels):
            write.annotate(_ERROR, "Failed to parse policy: " + ", ".join(f"{each.field}: {each.message}" for each in causes))
        return policy_of(labels)

    def _check_pod(self, write: Write) -> None:
        policy, pod, old = self._policy(write), write.new(), write.old
        if policy == Policy() or (old is not None and not _runs_something_else(pod["spec"], old["spec"])):
            return
        write.annotate(_ENFORCED, str(policy.enforce))
        found = findings(policy.enforce, pod["metadata"], pod["spec"])
        _note(write, policy.audit, pod["metadata"], pod["spec"])
        if found:
            raise Forbidden.of("pods", write.name, f'violates PodSecurity "{policy.enforce}": {_told(found)}')
        _warn(write, policy.warn, pod["metadata"], pod["spec"])

    def _check_template(self, write: Write) -> None:
        policy = self._policy(write)
        if {policy.warn.name, policy.audit.name} != {PRIVILEGED}:
            path = SPECS[write.group_resource]
            metadata, spec = at(write.new(), f"{path.removesuffix('spec')}metadata"), at(write.new(), path)
            _note(write, policy.audit, metadata, spec)
            _warn(write, policy.warn, metadata, spec)

    def _check_namespace(self, write: Write) -> None:
        labels, before = _labels(write.new()), _labels(write.old or {})
        causes = causes_of(labels)
        if causes and causes != causes_of(before):
            raise write.served.invalid(write.name, causes)
        new, old = policy_of(labels).enforce, policy_of(before).enforce
        if write.old is not None and _is_raised(new, old):
            self._warn_of_existing(write, new)

    def _warn_of_existing(self, write: Write, level: Level) -> None:
        pods, count = self._objects.first(PODS, write.name, existing.MOST_PODS)
        for text in existing.warnings(write.name, level, pods, count):
            write.warn(text)


def _labels(obj: Object) -> dict[str, str]:
    found: dict[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return found


def _is_raised(new: Level, old: Level) -> bool:
    """Whether pods that were let in before may not be any more."""
    return new != old and new.name != PRIVILEGED and (new.minor != old.minor or new.strictness > old.strictness)


def _told(found: list[Finding]) -> str:
    return ", ".join(f"{each.reason} ({each.detail})" for each in found)


def _warn(write: Write, level: Level, metadata: Object, spec: Object) -> None:
    if found := findings(level, metadata, spec):
        write.warn(f'would violate PodSecurity "{level}": {_told(found)}')


def _note(write: Write, level: Level, metadata: Object, spec: Object) -> None:
    if level.name != PRIVILEGED and (found := findings(level, metadata, spec)):
        write.annotate(_VIOLATIONS, f'would violate PodSecurity "{level}": {_told(found)}')


def _runs_something_else(spec: Object, old: Object) -> bool:
    """Whether an update brings in another image or container; nothing else that counts can change in a pod."""
    return any(_images(spec, name) - _images(old, name) for name in ("containers", "initContainers", "ephemeralContainers"))


def _images(spec: Object, name: str) -> set[tuple[str, str]]:
    return {(container["name"], container.get("image") or "") for container in spec.get(name) or ()}
