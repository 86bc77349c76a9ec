"""Why a PodDisruptionBudget lets no pod be evicted, which is what `kubectl drain` waits for (pure).

Reasons are those of upstream's disruption controller.
"""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.scene import Scene, count
from pilothouse.cli.why.sentence import Why, told
from pilothouse.cli.why.worst import worst_of
from pilothouse.model import meta
from pilothouse.model.json import Object


def explain(scene: Scene) -> Why:
    budget = scene.workload or {}
    if found := _finding(scene, budget):
        return told(f"{scene.subject} lets no pod be evicted", found)
    if count(budget, "observedGeneration") < meta.generation(budget):
        return Why(f"{scene.subject} has not been looked at yet", state=State.ROLLING_OUT)
    allowed, pods = count(budget, "disruptionsAllowed"), count(budget, "expectedPods")
    return Why(f"{scene.subject} lets {allowed} of {pods} pod{'' if pods == 1 else 's'} be evicted now", state=State.RUNNING)


def _finding(scene: Scene, budget: Object) -> Finding | None:
    condition = meta.condition(budget, "DisruptionAllowed") or {}
    if condition.get("reason") == "SyncFailed":
        return Finding((condition.get("message", "").rstrip(". "),), "correct what it names, or the budget's selector")
    if count(budget, "observedGeneration") < meta.generation(budget) or count(budget, "disruptionsAllowed"):
        return None
    if not scene.pods:
        return Finding(("its selector matches no pod",), "compare spec.selector with the pods' labels")
    return _unhealthy(scene, budget) or _too_much(budget)


def _unhealthy(scene: Scene, budget: Object) -> Finding | None:
    """A pod that is not ready counts against the budget."""
    bad = [pod for pod in scene.pods if not meta.is_true(pod, "Ready")]
    if not bad:
        return None
    effect = f"{count(budget, 'currentHealthy')} of the pods are healthy, and {count(budget, 'desiredHealthy')} have to be"
    worst = worst_of(scene, bad)
    if worst is not None:
        return replace(worst[1], chain=(*worst[1].chain, effect), certain_after_s=None)
    step = f"wait for {'it' if len(bad) == 1 else 'them'}, or see `ph why pod/{meta.name(bad[0])}`"
    return Finding((f"{_named(bad)} not ready", effect), step)


def _named(pods: Sequence[Object]) -> str:
    more = f" and {len(pods) - 1} more are" if len(pods) > 1 else " is"
    return f"pod {meta.name(pods[0])}{more}"


def _too_much(budget: Object) -> Finding:
    wanted, expected = count(budget, "desiredHealthy"), count(budget, "expectedPods")
    return Finding(
        (f"it asks that {wanted} of {expected} pod{'' if expected == 1 else 's'} stay",),
        "start one more replica, or let one go with spec.maxUnavailable: 1 in place of minAvailable",
    )
