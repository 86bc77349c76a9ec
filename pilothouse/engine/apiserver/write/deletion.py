"""What a delete does to an object: remove it now, or mark it and wait for grace and finalizers. Pure.

Source: apiserver/pkg/registry/rest/delete.go and generic/registry/store.go (deletionFinalizersForGarbageCollection).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.model import meta
from pilothouse.model.json import Object

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_OF_POLICY = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


@dataclass(frozen=True, slots=True)
class Options:
    """grace_s, policy: None when the client leaves them to the kind. orphans: the policy, where it is stated in its older form."""

    grace_s: int | None = None
    uid: str | None = None
    version: str | None = None
    policy: str | None = None
    dry_run: bool = False
    orphans: bool | None = None

    def to_dict(self) -> Object:
        """As DeleteOptions, without a type."""
        preconditions = {name: value for name, value in (("uid", self.uid), ("resourceVersion", self.version)) if value is not None}
        stated = {
            "gracePeriodSeconds": self.grace_s,
            "preconditions": preconditions or None,
            "orphanDependents": self.orphans,
            "propagationPolicy": self.policy if self.orphans is None else None,
            "dryRun": ["All"] if self.dry_run else None,
        }
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Step:
    """remove: the object goes now. value: what takes its place, or what it is said to have been; None changes nothing."""

    remove: bool
    value: Object | None = None


def plan(kind: Kind, obj: Object, options: Options, now: datetime) -> Step:
    """The next step of deleting `obj`, which may be dying already."""
    metadata = obj["metadata"]
    left_s = metadata.get("deletionGracePeriodSeconds") or 0
    if metadata.get("deletionTimestamp") and kind.grace_s is not None and left_s > 0:
        return _sooner(kind, obj, options, now)
    finalizers = _finalizers(kind, metadata, options.policy)
    if metadata.get("deletionTimestamp"):
        return _again(kind, obj, finalizers)
    grace_s = kind.grace_s(obj, options.grace_s) if kind.grace_s is not None else 0
    finalizers += [name for name in kind.finalizers_on_delete if name not in finalizers]
    if grace_s == 0 and not finalizers and not kind.waits(obj):
        return Step(True, _marked(kind, obj, finalizers, 0, now) if kind.grace_s is not None else None)
    return Step(False, _marked(kind, obj, finalizers, grace_s, now))


def _again(kind: Kind, obj: Object, finalizers: list[str]) -> Step:
    """An object that waits for its finalizers, or for nothing any more."""
    metadata = obj["metadata"]
    if not finalizers and not kind.waits(obj):
        return Step(True)
    if finalizers == (metadata.get("finalizers") or []):
        return Step(False)
    return Step(False, obj | {"metadata": _with_finalizers(metadata, finalizers)})


def _sooner(kind: Kind, obj: Object, options: Options, now: datetime) -> Step:
    """An object in its grace, which only a shorter one changes; one whose end would have passed gets the shortest there is."""
    metadata, grace_s = obj["metadata"], options.grace_s
    left_s = metadata["deletionGracePeriodSeconds"]
    if grace_s is None or grace_s >= left_s:
        return Step(False)
    ends = meta.parse_rfc3339(metadata["deletionTimestamp"]) - left_s + grace_s
    if ends < now.timestamp():
        ends, grace_s = now.timestamp(), min(grace_s, 1)
    finalizers = _finalizers(kind, metadata, options.policy)
    shortened = _with_finalizers(metadata, finalizers) | {"deletionTimestamp": meta.rfc3339(ends), "deletionGracePeriodSeconds": grace_s}
    return Step(grace_s == 0 and not finalizers and not kind.waits(obj), obj | {"metadata": shortened})


def _marked(kind: Kind, obj: Object, finalizers: list[str], grace_s: int, now: datetime) -> Object:
    metadata = _with_finalizers(obj["metadata"], finalizers)
    metadata["deletionTimestamp"] = meta.rfc3339((now + timedelta(seconds=grace_s)).timestamp())
    metadata["deletionGracePeriodSeconds"] = grace_s
    if metadata.get("generation"):
        metadata["generation"] += 1
    marked = obj | {"metadata": metadata}
    kind.on_dying(marked)
    return marked


def _with_finalizers(metadata: Object, finalizers: list[str]) -> Object:
    changed = {key: value for key, value in metadata.items() if key != "finalizers"}
    return changed | ({"finalizers": finalizers} if finalizers else {})


def _finalizers(kind: Kind, metadata: Object, policy: str | None) -> list[str]:
    """The finalizers once the propagation policy has put its own in or taken others out."""
    kept = list(metadata.get("finalizers") or [])
    if kind.default_propagation == "Unsupported":
        return [name for name in kept if name not in (ORPHAN, FOREGROUND)]
    if policy is None:
        if FOREGROUND in kept or ORPHAN in kept:
            return kept
        policy = kind.default_propagation
    others = [name for name in kept if name not in (ORPHAN, FOREGROUND)]
    wanted = _OF_POLICY.get(policy)
    if wanted is None:
        return others
    return kept if wanted in kept and len(others) == len(kept) - 1 else [*others, wanted]
