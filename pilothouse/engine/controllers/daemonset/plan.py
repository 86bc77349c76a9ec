"""What a DaemonSet's nodes need next. Pure: nodes with their pods in, nodes to make pods for and pods to delete out.

Keeping one pod a node comes first; the template is rolled out when there is nothing of that left to do.
Source: Kubernetes 1.36, pkg/controller/daemon/daemon_controller.go (podsShouldBeOnNode) and update.go; KEP-1591 (maxSurge).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.engine.controllers.daemonset import facts
from pilothouse.engine.controllers.daemonset.fit import Fit
from pilothouse.model import meta
from pilothouse.model.json import Object

BURST = 250
"""Pods made, and pods deleted, in one round, at most."""


class Delete(NamedTuple):
    """node: of a pod that has failed there, "" for any other reason."""

    pod: Object
    why: str
    node: str = ""


@dataclass(slots=True)
class Plan:
    """create: names of nodes. again_s: after how many seconds there may be more to do."""

    create: list[str] = field(default_factory=list)
    delete: list[Delete] = field(default_factory=list)
    again_s: float | None = None

    def bounded(self) -> "Plan":
        return Plan(self.create[:BURST], self.delete[:BURST], self.again_s)


@dataclass(frozen=True, slots=True)
class Scene:
    """fits: of every node, by its name. pods: by the node that they are on or meant for. leaving: uids of pods on their way out.

    hash: of the template's revision. wait_s: how long a failed pod on a node is left, in seconds.
    """

    daemon_set: Object
    fits: Mapping[str, Fit]
    pods: Mapping[str, Sequence[Object]]
    leaving: Collection[str]
    hash: str
    now: float
    wait_s: Callable[[str], float] = lambda node: 0.0

    def staying(self, node: str) -> list[Object]:
        return [pod for pod in self.pods.get(node) or () if meta.uid(pod) not in self.leaving]

    def is_available(self, pod: Object) -> bool:
        return pod_facts.available_in(pod, facts.min_ready_s(self.daemon_set), self.now) == 0

    def wanted(self) -> list[str]:
        return sorted(node for node, fit in self.fits.items() if fit.runs)


def decide(scene: Scene) -> Plan:
    plan = Plan()
    for node in sorted({*scene.fits, *scene.pods}):
        _keep_one(plan, scene, node)
    if not plan.create and not plan.delete and facts.is_rolling(scene.daemon_set):
        _roll(plan, scene)
    return plan.bounded()


def _keep_one(plan: Plan, scene: Scene, node: str) -> None:
    fit, found = scene.fits.get(node), scene.pods.get(node) or ()
    if fit is None:
        # Those that ran on a node that is gone end otherwise; those that only wait for it would wait for ever.
        plan.delete += [Delete(pod, "its node is gone") for pod in scene.staying(node) if not pod_facts.node(pod)]
    elif fit.runs and not found:
        plan.create.append(node)
    elif fit.stays:
        running = _without_ended(plan, scene, node)
        if facts.surges(scene.daemon_set):
            _keep_two_at_most(plan, scene, node, running, runs=fit.runs)
        else:
            plan.delete += [Delete(pod, "there is another on its node") for pod in running[1:]]
    else:
        plan.delete += [Delete(pod, "its node does not fit") for pod in scene.staying(node)]


def _without_ended(plan: Plan, scene: Scene, node: str) -> list[Object]:
    """The pods of a node that live; one that has failed is replaced after a while, so that it does not fail again and again."""
    running = []
    for pod in scene.staying(node):
        phase = pod_facts.phase(pod)
        wait_s = scene.wait_s(node) if phase == "Failed" else 0.0
        if wait_s > 0:
            plan.again_s = wait_s if plan.again_s is None else min(wait_s, plan.again_s)
        elif pod_facts.is_finished(pod):
            plan.delete.append(Delete(pod, phase.lower(), node if phase == "Failed" else ""))
        else:
            running.append(pod)
    return running


def _keep_two_at_most(plan: Plan, scene: Scene, node: str, running: Sequence[Object], *, runs: bool) -> None:
    """An old pod and a new one, for as long as the old one is ready and the new one not yet available."""
    if not running:
        waits = any(pod_facts.is_finished(pod) for pod in scene.staying(node))
        if runs and not waits:
            plan.create.append(node)
        return
    new = [pod for pod in running if facts.is_updated(pod, scene.hash)]
    old = [pod for pod in running if not facts.is_updated(pod, scene.hash)]
    plan.delete += [Delete(pod, "there is another on its node") for pod in (*new[1:], *old[1:])]
    if new and old and (not pod_facts.is_ready(old[0]) or scene.is_available(new[0])):
        plan.delete.append(Delete(old[0], "of an earlier template"))


def _roll(plan: Plan, scene: Scene) -> None:
    """Of nodes that have a pod, all of them: one without would have been given one first."""
    nodes = scene.wanted()
    most_surge = facts.max_surge(scene.daemon_set, len(nodes))
    states = [_State.of(scene, node) for node in nodes]
    if most_surge == 0:
        most = facts.max_unavailable(scene.daemon_set, len(nodes))
        plan.delete += [Delete(pod, "of an earlier template") for pod in _to_replace(scene, states, most)]
    else:
        plan.create += _to_surge(scene, states, most_surge)


@dataclass(frozen=True, slots=True)
class _State:
    """The one new and the one old pod of a node; is_clear: there are no more of either."""

    node: str
    new: Object | None
    old: Object | None
    is_clear: bool

    @classmethod
    def of(cls, scene: Scene, node: str) -> "_State":
        new = [pod for pod in scene.staying(node) if facts.is_updated(pod, scene.hash)]
        old = [pod for pod in scene.staying(node) if not facts.is_updated(pod, scene.hash)]
        return cls(node, next(iter(new), None), next(iter(old), None), len(new) <= 1 and len(old) <= 1)


def _to_replace(scene: Scene, states: Iterable[_State], most: int) -> list[Object]:
    """Old pods to delete: those that are not available anyway, and of the others as many as may be down.

    most: how many nodes may be without an available pod.
    """
    unavailable, broken, candidates = 0, list[Object](), list[Object]()
    for each in states:
        if not each.is_clear or (each.new is None) == (each.old is None):
            unavailable += 1
        elif each.old is None:
            unavailable += each.new is not None and not scene.is_available(each.new)
        elif scene.is_available(each.old):
            candidates.append(each.old)
        else:
            broken.append(each.old)
    return [*broken, *candidates[: max(0, most - unavailable - len(broken))]]


def _to_surge(scene: Scene, states: Iterable[_State], most: int) -> list[str]:
    """Nodes that get a new pod beside the old one: those whose old one is not available anyway, and of the others as many as may."""
    surging, broken, candidates = 0, list[str](), list[str]()
    for each in states:
        if not each.is_clear:
            surging += 1
        elif each.old is not None and each.new is not None:
            surging += not scene.is_available(each.new)
        elif each.old is not None:
            (candidates if scene.is_available(each.old) else broken).append(each.node)
    return [*broken, *candidates[: max(0, most - surging)]]
