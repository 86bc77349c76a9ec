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
    """grace_s, policy: None when the client leaves them to the kind."""

    grace_s: int | None = None
    uid: str | None = None
    version: str | None = None
    policy: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """remove: the object goes now. value: what takes its place, or what it is said to have been; None changes nothing."""

    remove: bool
    value: Object | None = None


def plan(kind: Kind, obj: Object, options: Options, now: datetime) -> Step:
    """The next step of deleting `obj`, which may be dying already."""
    metadata = obj["metadata"]
    finalizers = _finalizers(kind, metadata, options.policy)
    grace_s = kind.grace_s(obj, options.grace_s) if kind.grace_s is not None else 0
    if metadata.get("deletionTimestamp"):
        return _again(kind, obj, finalizers, grace_s, options, now)
    finalizers += [name for name in kind.finalizers_on_delete if name not in finalizers]
    if grace_s == 0 and not finalizers and not kind.waits(obj):
        return Step(True, _marked(kind, obj, finalizers, 0, now) if kind.grace_s is not None else None)
    return Step(False, _marked(kind, obj, finalizers, grace_s, now))


def _again(kind: Kind, obj: Object, finalizers: list[str], grace_s: int, options: Options, now: datetime) -> Step:
    """Only a shorter grace makes a difference to an object that is dying already."""
    metadata = obj["metadata"]
    left = metadata.get("deletionGracePeriodSeconds") or 0
    shortened = options.grace_s is not None and grace_s < left
    if (left == 0 or (shortened and grace_s == 0)) and not finalizers and not kind.waits(obj):
        return Step(True)
    if shortened:
        start = meta.parse_rfc3339(metadata["deletionTimestamp"]) - left
        ends = meta.rfc3339(start + grace_s)
        return Step(False, obj | {"metadata": metadata | {"deletionTimestamp": ends, "deletionGracePeriodSeconds": grace_s}})
    if finalizers != (metadata.get("finalizers") or []):
        return Step(False, obj | {"metadata": _with_finalizers(metadata, finalizers)})
    return Step(False)


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
    if policy is None:
        if FOREGROUND in kept or ORPHAN in kept:
            return kept
        policy = kind.default_propagation
    others = [name for name in kept if name not in (ORPHAN, FOREGROUND)]
    wanted = _OF_POLICY.get(policy)
    if wanted is None:
        return others
    return kept if wanted in kept and len(others) == len(kept) - 1 else [*others, wanted]
