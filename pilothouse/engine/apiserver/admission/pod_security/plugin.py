"""Holds pods against the level of their namespace, and warns of templates whose pods would not be let in.

Nobody is exempt, no user, no namespace and no runtime class. The mode `audit` would write into an audit log, and there is none.
Source: kubernetes pod-security-admission/admission.
"""

from typing import Any

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.engine.apiserver.admission.pod_security import existing
from pilothouse.engine.apiserver.admission.pod_security.finding import Finding
from pilothouse.engine.apiserver.admission.pod_security.policy import PREFIX, PRIVILEGED, Level, Policy, causes_of, policy_of
from pilothouse.engine.apiserver.admission.pod_security.table import findings
from pilothouse.engine.apiserver.admission.pod_support import SPECS, at
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object

_JUDGED_SUBRESOURCES = ("", "ephemeralcontainers")
_AUDIT = f"{PREFIX}audit"
_NO_AUDIT = f"{_AUDIT}: there is no audit log that violations could be written to; use {PREFIX}warn to be warned of them"


class PodSecurity(Passive):
    def __init__(self, store: Any) -> None:
        self._store = store

    def validate(self, attributes: Attributes) -> None:
        if attributes.operation not in ("CREATE", "UPDATE"):
            return
        resource = attributes.group_resource
        if resource == "namespaces" and not attributes.subresource:
            self._check_namespace(attributes)
        elif resource == "pods" and attributes.subresource in _JUDGED_SUBRESOURCES:
            self._check_pod(attributes)
        elif resource in SPECS and not attributes.subresource:
            self._check_template(attributes)

    def _policy(self, attributes: Attributes) -> Policy:
        namespace = self._store.latest(f"/namespaces//{attributes.namespace}")
        return policy_of(_labels(namespace.value)) if namespace is not None else Policy()

    def _check_pod(self, attributes: Attributes) -> None:
        policy, pod, old = self._policy(attributes), attributes.new(), attributes.old
        if policy == Policy() or (old is not None and not _runs_something_else(pod["spec"], old["spec"])):
            return
        found = findings(policy.enforce, pod["metadata"], pod["spec"])
        if found:
            raise Forbidden.of("pods", attributes.name, f'violates PodSecurity "{policy.enforce}": {_told(found)}')
        _warn(attributes, policy.warn, pod["metadata"], pod["spec"])

    def _check_template(self, attributes: Attributes) -> None:
        policy = self._policy(attributes)
        if policy.warn.name != PRIVILEGED:
            path = SPECS[attributes.group_resource]
            metadata = at(attributes.new(), f"{path.removesuffix('spec')}metadata")
            _warn(attributes, policy.warn, metadata, at(attributes.new(), path))

    def _check_namespace(self, attributes: Attributes) -> None:
        labels, before = _labels(attributes.new()), _labels(attributes.old or {})
        causes = causes_of(labels)
        if causes and causes != causes_of(before):
            raise attributes.served.invalid(attributes.name, causes)
        if labels.get(_AUDIT, PRIVILEGED) not in (PRIVILEGED, before.get(_AUDIT)):
            attributes.warn(_NO_AUDIT)
        new, old = policy_of(labels).enforce, policy_of(before).enforce
        if attributes.old is not None and _is_raised(new, old):
            self._warn_of_existing(attributes, new)

    def _warn_of_existing(self, attributes: Attributes, level: Level) -> None:
        records = self._store.scan(f"/pods/{attributes.name}/")
        pods = [record.value for record in records[: existing.MOST_PODS]]
        for text in existing.warnings(attributes.name, level, pods, len(records)):
            attributes.warn(text)


def _labels(obj: Object) -> dict[str, str]:
    found: dict[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return found


def _is_raised(new: Level, old: Level) -> bool:
    """Whether pods that were let in before may not be any more."""
    return new != old and new.name != PRIVILEGED and (new.minor != old.minor or new.strictness > old.strictness)


def _told(found: list[Finding]) -> str:
    return ", ".join(f"{each.reason} ({each.detail})" for each in found)


def _warn(attributes: Attributes, level: Level, metadata: Object, spec: Object) -> None:
    if found := findings(level, metadata, spec):
        attributes.warn(f'would violate PodSecurity "{level}": {_told(found)}')


def _runs_something_else(spec: Object, old: Object) -> bool:
    """Whether an update brings in another image or container; nothing else that counts can change in a pod."""
    return any(_images(spec, name) - _images(old, name) for name in ("containers", "initContainers", "ephemeralContainers"))


def _images(spec: Object, name: str) -> set[tuple[str, str]]:
    return {(container["name"], container.get("image") or "") for container in spec.get(name) or ()}
