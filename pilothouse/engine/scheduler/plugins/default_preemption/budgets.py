"""How many pods PodDisruptionBudgets let go. Preemption goes against them last, but it does.

Source: kubernetes pkg/scheduler/framework/preemption, plugins/defaultpreemption (filterPodsWithPDBViolation).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.terms import selector_of
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.selector import Selector


@dataclass(frozen=True, slots=True)
class Budget:
    """allowed: disruptions that it bears now. going: names of pods that count as disrupted already."""

    namespace: str
    selector: Selector
    allowed: int
    going: frozenset[str]

    @classmethod
    def of(cls, budget: Object) -> "Budget":
        spec, status = budget.get("spec") or {}, budget.get("status") or {}
        going = frozenset(status.get("disruptedPods") or {})
        return cls(meta.namespace(budget), selector_of(spec.get("selector")), status.get("disruptionsAllowed") or 0, going)

    def protects(self, pod: PodInfo) -> bool:
        """One with an empty selector protects nobody here, as upstream; nor does one that has counted the pod as gone."""
        if pod.namespace != self.namespace or not self.selector.requirements or pod.name in self.going:
            return False
        return self.selector.matches(pod.shape.labels)


def violating(pods: Iterable[PodInfo], budgets: Iterable[Budget]) -> set[str]:
    """Keys of those that would go against a budget, if all went in this order."""
    left = [[budget, budget.allowed] for budget in budgets]
    found: set[str] = set()
    for pod in pods:
        for each in left:
            budget, allowed = each
            assert isinstance(budget, Budget)
            assert isinstance(allowed, int)
            if budget.protects(pod):
                each[1] = allowed - 1
                if allowed <= 0:
                    found.add(pod.key)
    return found
