"""What a StatefulSet's pods need next. Pure: the set, its pods and its revisions in, steps out.

With OrderedReady one pod is made or deleted a round, in the order of ordinals, and nothing goes on while one before it is not
available; a rolling update replaces from the highest ordinal down. With Parallel nothing waits for its neighbours but the update.
Scaling comes before updating.
Source: Kubernetes 1.36, pkg/controller/statefulset/stateful_set_control.go; KEP-961 (maxUnavailable).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.engine.controllers.statefulset import facts
from pilothouse.model import meta
from pilothouse.model.json import Object

BURST = 500
"""Pods made or deleted in one round, at most."""


class Revisions(NamedTuple):
    """Names of the revision that pods are rolled from and of that which they are rolled to; equal when nothing rolls."""

    current: str
    update: str


class Create(NamedTuple):
    ordinal: int
    revision: str


class Delete(NamedTuple):
    pod: Object
    why: str


class Waiting(NamedTuple):
    """What holds the set up. again_s: after how many seconds it may end by itself, None for when the pod changes."""

    pod: Object
    why: str
    again_s: float | None = None


@dataclass(slots=True)
class Plan:
    """create: lowest ordinal first. relabel: pods without the labels of their identity."""

    create: list[Create] = field(default_factory=list)
    delete: list[Delete] = field(default_factory=list)
    relabel: list[Object] = field(default_factory=list)
    waiting: Waiting | None = None

    @property
    def changes(self) -> int:
        return len(self.create) + len(self.delete)


@dataclass(frozen=True, slots=True)
class Replica:
    """One ordinal. pod: None for one that is missing. available_in: as `facts.available_in`."""

    ordinal: int
    pod: Object | None
    is_leaving: bool = False
    available_in: float | None = None

    @property
    def is_available(self) -> bool:
        return self.pod is not None and not self.is_leaving and self.available_in == 0


def decide(stateful_set: Object, pods: Iterable[Object], leaving: Collection[str], revisions: Revisions, now: float) -> Plan:
    """leaving: uids of pods that are on their way out."""
    plan = Plan()
    wanted, beyond = _sorted(stateful_set, pods, leaving, now)
    if facts.is_ordered(stateful_set):
        _in_order(plan, stateful_set, wanted, beyond, revisions)
    else:
        _at_once(plan, stateful_set, wanted, beyond, revisions)
    return plan


def _sorted(stateful_set: Object, pods: Iterable[Object], leaving: Collection[str], now: float) -> tuple[list[Replica], list[Replica]]:
    """Every wanted ordinal, lowest first, and pods beyond them, highest first."""
    by_ordinal = {ordinal: pod for pod in pods if (ordinal := facts.ordinal_of(stateful_set, pod)) is not None}

    def replica(ordinal: int) -> Replica:
        pod = by_ordinal.get(ordinal)
        if pod is None:
            return Replica(ordinal, None)
        return Replica(ordinal, pod, meta.uid(pod) in leaving, facts.available_in(stateful_set, pod, now))

    wanted = facts.ordinals(stateful_set)
    return [replica(each) for each in wanted], [replica(each) for each in sorted(by_ordinal, reverse=True) if each not in wanted]


def _in_order(plan: Plan, stateful_set: Object, wanted: Sequence[Replica], beyond: Sequence[Replica], revisions: Revisions) -> None:
    for each in wanted:
        _keep(plan, stateful_set, each, revisions)
        plan.waiting = None if plan.changes else _holds_up(each)
        if plan.changes or plan.waiting is not None:
            return
    if beyond:
        _scale_down(plan, beyond)
    elif facts.is_rolling(stateful_set):
        _update(plan, stateful_set, wanted, revisions)


def _at_once(plan: Plan, stateful_set: Object, wanted: Sequence[Replica], beyond: Sequence[Replica], revisions: Revisions) -> None:
    for each in wanted:
        if plan.changes < BURST:
            _keep(plan, stateful_set, each, revisions)
    room = BURST - plan.changes
    plan.delete += [Delete(each.pod, "scaled down") for each in beyond if each.pod is not None and not each.is_leaving][:room]
    if facts.is_rolling(stateful_set) and plan.changes < BURST:
        deleted = {meta.uid(each.pod) for each in plan.delete}
        _update(plan, stateful_set, [each for each in wanted if each.pod is None or meta.uid(each.pod) not in deleted], revisions)


def _keep(plan: Plan, stateful_set: Object, replica: Replica, revisions: Revisions) -> None:
    """See that the ordinal has a pod that has not ended, with the labels of its identity."""
    pod = replica.pod
    if pod is None:
        plan.create.append(Create(replica.ordinal, _revision_for(stateful_set, replica.ordinal, revisions)))
    elif pod_facts.is_finished(pod):
        if not replica.is_leaving:
            plan.delete.append(Delete(pod, "ended"))
    elif not replica.is_leaving and _lacks_labels(stateful_set, replica):
        plan.relabel.append(pod)


def _lacks_labels(stateful_set: Object, replica: Replica) -> bool:
    labels = meta.labels(replica.pod or {})
    name = facts.pod_name(stateful_set, replica.ordinal)
    return labels.get(facts.POD_NAME_LABEL) != name or labels.get(facts.POD_INDEX_LABEL) != str(replica.ordinal)


def _holds_up(replica: Replica) -> Waiting | None:
    """What keeps those after it from being looked at."""
    if replica.pod is None or replica.is_available:
        return None
    if replica.is_leaving:
        return Waiting(replica.pod, "is ending")
    if replica.available_in is None:
        return Waiting(replica.pod, "is not running and ready")
    return Waiting(replica.pod, "has not been ready for long enough", replica.available_in)


def _revision_for(stateful_set: Object, ordinal: int, revisions: Revisions) -> str:
    """Of a new pod: below the partition it comes back as it was."""
    if not facts.is_rolling(stateful_set):
        return revisions.update
    return revisions.current if ordinal < facts.start(stateful_set) + facts.partition(stateful_set) else revisions.update


def _scale_down(plan: Plan, beyond: Sequence[Replica]) -> None:
    """One pod, the highest; the lowest of those that are not available may go, the others wait until they are."""
    highest = beyond[0]
    lowest_broken = next((each for each in reversed(beyond) if not each.is_available), None)
    if highest.pod is None:
        return
    if highest.is_leaving or (not highest.is_available and highest is not lowest_broken):
        plan.waiting = _holds_up(highest if highest.is_leaving else lowest_broken or highest)
        return
    plan.delete.append(Delete(highest.pod, "scaled down"))


def _update(plan: Plan, stateful_set: Object, wanted: Sequence[Replica], revisions: Revisions) -> None:
    """Delete pods of other revisions, from the highest ordinal down to the partition, as many as may be down at a time."""
    lowest = facts.start(stateful_set) + facts.partition(stateful_set)
    targets = [each for each in reversed(wanted) if each.ordinal >= lowest]
    most = facts.max_unavailable(stateful_set)
    victims = _next_victim(targets, revisions) if most is None else _within(targets, wanted, revisions, most)
    plan.delete += [Delete(each, "of another revision") for each in victims][: BURST - plan.changes]
    if not plan.changes and plan.waiting is None:
        plan.waiting = next((found for each in targets if _is_updated(each, revisions) and (found := _holds_up(each))), None)


def _is_updated(replica: Replica, revisions: Revisions) -> bool:
    """Whether it is left alone: it is of the right revision, about to be, or not there."""
    return replica.pod is None or replica.is_leaving or facts.revision_of(replica.pod) == revisions.update


def _next_victim(targets: Sequence[Replica], revisions: Revisions) -> list[Object]:
    """Where nothing is said of how many may be down: one, and only when those above it are up again."""
    for each in targets:
        if not _is_updated(each, revisions):
            return [] if each.pod is None else [each.pod]
        if not each.is_available:
            return []
    return []


def _within(targets: Sequence[Replica], wanted: Sequence[Replica], revisions: Revisions, most: int) -> list[Object]:
    """Every pod of the set that is down counts. Replacing one that is down anyway takes nothing away, and is what may mend it."""
    room = most - sum(not each.is_available for each in wanted)
    victims: list[Object] = []
    for each in targets:
        if _is_updated(each, revisions) or each.pod is None:
            continue
        if each.is_available:
            if room <= 0:
                continue
            room -= 1
        victims.append(each.pod)
    return victims
