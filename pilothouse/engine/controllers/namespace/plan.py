"""What a namespace that is being deleted says about its progress.

Source: Kubernetes 1.36, namespaced_resources_deleter.go and status_condition_utils.go.
"""

from collections import Counter
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object

FINALIZER = "kubernetes"


@dataclass(slots=True)
class Removal:
    """What a round of deletions met. left: objects by resource; finalizers: objects by the finalizer that holds them."""

    discovery_failures: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)

    @property
    def is_complete(self) -> bool:
        return not (self.discovery_failures or self.failures or self.left)

    def remains(self, resource: str, objects: list[Object]) -> None:
        if objects:
            self.left[resource] += len(objects)
        for obj in objects:
            self.finalizers.update(meta.finalizers(obj))


def conditions(namespace: Object, removal: Removal, now: float) -> list[Object]:
    """The namespace's conditions after the round; those that are fine are only said to be so."""
    found = (namespace.get("status") or {}).get("conditions") or []
    for type_, bad, good in _judge(removal):
        reason, message, is_bad = (*bad, True) if bad else (*good, False)
        new = {"type": type_, "status": "True" if is_bad else "False", "reason": reason, "message": message}
        old = next((each for each in found if each.get("type") == type_), None)
        same = old is not None and all(old.get(name) == value for name, value in new.items())
        found = found if same else meta.with_condition(found, new, meta.rfc3339(now))
    return list(found)


Words = tuple[str, str]


def _judge(removal: Removal) -> list[tuple[str, Words | None, Words]]:
    """(type, what is wrong or None, what to say when nothing is)."""
    return [
        (
            "NamespaceDeletionDiscoveryFailure",
            ("DiscoveryFailed", _first("Discovery failed for some groups", removal.discovery_failures))
            if removal.discovery_failures
            else None,
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        ("NamespaceDeletionGroupVersionParsingFailure", None, ("ParsedGroupVersions", "All legacy kube types successfully parsed")),
        (
            "NamespaceDeletionContentFailure",
            ("ContentDeletionFailed", _first("Failed to delete all resource types", removal.failures)) if removal.failures else None,
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            ("SomeResourcesRemain", _remaining(removal.left)) if removal.left else None,
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            ("SomeFinalizersRemain", _holding(removal.finalizers)) if removal.finalizers else None,
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]


def _first(words: str, failures: list[str]) -> str:
    return f"{words}, {len(failures)} remaining: {'; '.join(sorted(failures))}"


def _remaining(left: Counter[str]) -> str:
    return "Some resources are remaining: " + ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.items()))


def _holding(finalizers: Counter[str]) -> str:
    shown = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    return f"Some content in the namespace has finalizers remaining: {shown}"


def without_finalizer(namespace: Object) -> Object:
    spec = namespace.get("spec") or {}
    kept = [each for each in spec.get("finalizers") or () if each != FINALIZER]
    return namespace | {"spec": spec | {"finalizers": kept}}
