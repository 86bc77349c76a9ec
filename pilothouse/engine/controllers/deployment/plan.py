"""How many pods each ReplicaSet of a Deployment is to have next. Pure: sets in, new sizes out.

Promise of a rolling update: never more than replicas + maxSurge pods, never fewer than replicas - maxUnavailable available
ones because of us; pods that are not available anyway go first.
Source: Kubernetes 1.36, deployment controller's rolling.go, recreate.go, sync.go.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pilothouse.engine.controllers.deployment import facts
from pilothouse.model import meta
from pilothouse.model.json import Object


class Scale(NamedTuple):
    replica_set: Object
    replicas: int


def first_size(deployment: Object, sets: Sequence[Object], current: int = 0) -> int:
    """The size that a new set of `current` pods may have beside all `sets` (itself included when it exists)."""
    wanted = facts.size(deployment)
    if not facts.is_rolling(deployment):
        return wanted
    room = wanted + facts.max_surge(deployment) - facts.total(sets)
    return current if room <= 0 else current + min(room, wanted - current)


def rolling(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scale]:
    """The next step: the new set first; only when it has its size for now, the old ones."""
    return _grow_new(deployment, new, old) or _shrink_old(deployment, new, facts.active(old))


def _grow_new(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scale]:
    wanted, current = facts.size(deployment), facts.size(new)
    if current > wanted:
        return [Scale(new, wanted)]
    allowed = first_size(deployment, [*old, new], current)
    return [] if allowed == current else [Scale(new, allowed)]


def _shrink_old(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scale]:
    if not old:
        return []
    least = facts.size(deployment) - facts.max_unavailable(deployment)
    unavailable_new = facts.size(new) - facts.available(new)
    removable = facts.total([*old, new]) - least - unavailable_new
    if removable <= 0:
        return []
    oldest_first = sorted(old, key=facts.age_order)
    sizes = {meta.uid(each): facts.size(each) for each in oldest_first}
    _drop_unhealthy(sizes, oldest_first, removable)
    _drop_available(sizes, oldest_first, sum(facts.available(each) for each in [*old, new]) - least)
    return [Scale(each, sizes[meta.uid(each)]) for each in oldest_first if sizes[meta.uid(each)] != facts.size(each)]


def _drop_unhealthy(sizes: dict[str, int], oldest_first: Sequence[Object], most: int) -> None:
    for each in oldest_first:
        drop = min(most, sizes[meta.uid(each)] - facts.available(each))
        if drop > 0:
            sizes[meta.uid(each)] -= drop
            most -= drop


def _drop_available(sizes: dict[str, int], oldest_first: Sequence[Object], most: int) -> None:
    for each in oldest_first:
        drop = min(most, sizes[meta.uid(each)])
        if drop > 0:
            sizes[meta.uid(each)] -= drop
            most -= drop


def recreate_down(old: Sequence[Object]) -> list[Scale]:
    return [Scale(each, 0) for each in facts.active(old)]


def is_scaling(deployment: Object, sets: Sequence[Object]) -> bool:
    """Whether the Deployment's size has changed since its sets were last sized."""
    wanted = facts.size(deployment)
    desired = (facts.number(each, facts.DESIRED) for each in facts.active(sets))
    return any(each is not None and each != wanted for each in desired)


def resize(deployment: Object, new: Object | None, old: Sequence[Object]) -> list[Scale]:
    """Follow a change of size (or a pause) without rolling on: the one active set takes all, several share it in proportion."""
    wanted = facts.size(deployment)
    sole = _active_or_latest(new, old)
    if sole is not None:
        return [Scale(sole, wanted)]
    if new is not None and _is_saturated(deployment, new):
        return recreate_down(old)
    if not facts.is_rolling(deployment):
        return []
    return _proportional(deployment, facts.active([*old, *([] if new is None else [new])]))


def _active_or_latest(new: Object | None, old: Sequence[Object]) -> Object | None:
    every = [*old, *([] if new is None else [new])]
    busy = facts.active(every)
    if len(busy) > 1 or not every:
        return None
    if busy:
        return busy[0]
    return new if new is not None else max(old, key=facts.age_order)


def _is_saturated(deployment: Object, new: Object) -> bool:
    wanted = facts.size(deployment)
    return facts.number(new, facts.DESIRED) == wanted == facts.size(new) == facts.available(new)


def _proportional(deployment: Object, sets: list[Object]) -> list[Scale]:
    wanted = facts.size(deployment)
    allowed = wanted + facts.max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - facts.total(sets)
    # Biggest first; of equal ones the newer gets more when growing, the older loses more when shrinking.
    ordered = sorted(sorted(sets, key=facts.age_order, reverse=to_add > 0), key=facts.size, reverse=True)
    sizes, added = [], 0
    for each in ordered:
        share = _share_of(deployment, each, to_add, added)
        sizes.append(facts.size(each) + share)
        added += share
    if sizes and to_add:
        sizes[0] = max(0, sizes[0] + to_add - added)
    # All of them, the unchanged too: their annotations have to follow the Deployment's size.
    return [Scale(each, replicas) for each, replicas in zip(ordered, sizes, strict=True)]


def _share_of(deployment: Object, replica_set: Object, to_add: int, added: int) -> int:
    """What of `to_add` falls to a set by its share of the Deployment at its last size."""
    current = facts.size(replica_set)
    if current == 0 or to_add in (0, added):
        return 0
    fraction = _fraction(deployment, replica_set, current)
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(deployment: Object, replica_set: Object, current: int) -> int:
    wanted = facts.size(deployment)
    if wanted == 0:
        return -current
    annotated = facts.number(replica_set, facts.MAXIMUM) or facts.status(deployment).get("replicas") or 0
    if annotated == 0:
        return 0
    maximum = wanted + facts.max_surge(deployment)
    return int(current * maximum / annotated + 0.5) - current


def to_clean_up(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Old sets beyond the history limit that are empty and at rest, lowest revision first."""
    limit = facts.spec(deployment).get("revisionHistoryLimit")
    if limit is None or limit == facts.NO_DEADLINE:
        return []
    alive = sorted((each for each in old if not meta.is_deleting(each)), key=lambda each: (facts.revision(each), *facts.age_order(each)))
    return [each for each in alive[: max(0, len(alive) - limit)] if _is_at_rest(each)]


def _is_at_rest(replica_set: Object) -> bool:
    shown = facts.status(replica_set)
    settled = meta.generation(replica_set) <= (shown.get("observedGeneration") or 0)
    return settled and facts.size(replica_set) == 0 and not shown.get("replicas")
