"""Who has to go for a more important pod, and where that hurts least."""

from collections.abc import Iterable
from typing import Any

import pytest

from pilothouse.engine.scheduler.plugins.default_preemption.budgets import Budget, violating
from pilothouse.engine.scheduler.plugins.default_preemption.victims import Victims, least_harm, victims_on
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo, pod_info
from pilothouse.engine.scheduler.snapshot.shape import Shapes
from pilothouse.model.json import Object
from tests.engine.scheduler.objects import pod

SHAPES = Shapes()


def there(name: str, priority: int, cpu: int = 1, started: str = "2026-01-01T00:00:00Z", app: str = "", **more: Any) -> PodInfo:
    return pod_info(pod(name, cpu=str(cpu), priority=priority, started=started, labels={"app": app or name}, **more), SHAPES)


class Room:
    """A node of so many processors, for a pod that asks for some of them."""

    def __init__(self, cpu: int, asked: int, pods: Iterable[PodInfo]) -> None:
        self.left = cpu * 1000 - sum(_cpu(each) for each in pods)
        self.asked = asked * 1000

    def take(self, pod: PodInfo) -> None:
        self.left += _cpu(pod)

    def put(self, pod: PodInfo) -> None:
        self.left -= _cpu(pod)

    def fits(self) -> bool:
        return self.left >= self.asked


def _cpu(pod: PodInfo) -> int:
    return pod.demand.resources["cpu"]


def budget(app: str, allowed: int, **disrupted: str) -> Budget:
    status = {"disruptionsAllowed": allowed, "disruptedPods": disrupted}
    return Budget.of({"metadata": {"namespace": "ns"}, "spec": {"selector": {"matchLabels": {"app": app}}}, "status": status})


LOW, MIDDLE, HIGH = there("low", 0), there("middle", 5), there("high", 50)
YOUNG, LARGE = there("young", 0, started="2026-02-01T00:00:00Z"), there("large", 0, cpu=3)


@pytest.mark.parametrize(
    ("pods", "asked", "budgets", "victims", "violations"),
    [
        ([LOW, MIDDLE], 1, [], "low", 0),
        ([LOW, MIDDLE], 2, [], "middle low", 0),
        ([HIGH], 1, [], None, 0),
        ([HIGH, LOW], 2, [], None, 0),
        ([LOW, YOUNG], 1, [], "young", 0),
        ([LOW, LARGE], 1, [], "low", 0),
        ([LARGE, MIDDLE], 1, [], "large", 0),
        ([LOW, MIDDLE], 1, [budget("low", 0)], "middle", 0),
        ([LOW, MIDDLE], 1, [budget("low", 1)], "low", 0),
        ([LOW, MIDDLE], 2, [budget("low", 0)], "middle low", 1),
        ([LOW, MIDDLE], 2, [budget("low", 0), budget("middle", 0)], "middle low", 2),
        ([LOW, MIDDLE], 2, [budget("low", 0, low="2026-01-01T00:00:00Z")], "middle low", 0),
    ],
)
def test_as_few_and_as_unimportant_as_may_be_go(
    pods: list[PodInfo], asked: int, budgets: list[Budget], victims: str | None, violations: int
) -> None:
    room = Room(sum(_cpu(each) for each in pods) // 1000, asked, pods)
    found = victims_on("n", pods, 10, budgets, room)
    assert (None if found is None else " ".join(each.name for each in found.pods)) == victims
    assert found is None or found.violations == violations
    assert room.left == 0, "the trial ends as it began"


def test_a_node_that_would_do_as_it_is_has_no_victims() -> None:
    assert victims_on("n", [LOW], 10, [], Room(5, 1, [LOW])) is None


def test_budgets_are_used_up_in_the_order_of_importance() -> None:
    pods = [there("a", 1, app="web"), there("b", 0, app="web"), there("c", 0, app="db")]
    assert violating(pods, [budget("web", 1)]) == {"ns/b"}
    assert violating(pods, [budget("web", 5), budget("web", 0)]) == {"ns/a", "ns/b"}
    everybody: Object = {"metadata": {"namespace": "ns"}, "spec": {"selector": {}}, "status": {}}
    assert violating(pods, [Budget.of(everybody)]) == set()


def on(node: str, *pods: PodInfo, violations: int = 0) -> Victims:
    return Victims(node, pods, violations)


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([on("a", LOW, violations=1), on("b", HIGH)], "b"),
        ([on("a", HIGH), on("b", MIDDLE, MIDDLE)], "b"),
        ([on("a", MIDDLE, MIDDLE), on("b", MIDDLE, LOW)], "b"),
        ([on("a", MIDDLE, LOW), on("b", MIDDLE)], "b"),
        ([on("a", there("x", -5), there("y", -5)), on("b", there("z", -5))], "b"),
        ([on("a", LOW), on("b", YOUNG)], "b"),
        ([on("a", LOW), on("b", LOW)], "a"),
    ],
)
def test_the_node_is_chosen_where_it_hurts_least(candidates: list[Victims], chosen: str) -> None:
    assert least_harm(candidates).node == chosen
