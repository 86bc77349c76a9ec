"""What is done about what the metrics ask for, and what the conditions say of it."""

from typing import Any

from pilothouse.engine.controllers.podautoscaler import plan
from pilothouse.engine.controllers.podautoscaler.history import Entry, History
from pilothouse.engine.controllers.podautoscaler.plan import Decision, Failure, Proposal
from pilothouse.model.json import Object

NOW = 10_000.0
HPA: Object = {"spec": {"minReplicas": 2, "maxReplicas": 10}}
LOST = Failure("FailedGetResourceMetric", "failed to get cpu utilization: gone", "failed to get cpu resource metric value")


def asked(replicas: int, name: str = "cpu resource") -> Proposal:
    return Proposal(replicas, name, {"type": "Resource", "n": replicas})


def decide(current: int, *found: Any, history: History | None = None) -> Decision:
    return plan.by_metrics(HPA, current, found, history or History(), NOW)


def reasons(decision: Decision) -> list[tuple[str, bool, str]]:
    return [condition[:3] for condition in decision.conditions]


def test_a_target_that_is_switched_off_stays_off() -> None:
    found = plan.without_metrics(HPA, 0)
    assert found is not None
    assert (found.replicas, reasons(found)) == (0, [("ScalingActive", False, "ScalingDisabled")])


def test_a_target_outside_of_the_bounds_is_brought_to_them_whatever_its_metrics_are() -> None:
    for current, expected, why in ((12, 10, "above Spec.MaxReplicas"), (1, 2, "below Spec.MinReplicas")):
        found = plan.without_metrics(HPA, current)
        assert found is not None
        assert (found.replicas, found.why) == (expected, f"Current number of replicas {why}")
    assert plan.without_metrics(HPA, 5) is None


def test_the_metric_that_asks_for_most_counts() -> None:
    found = decide(3, asked(4), asked(6, "pods metric x"), asked(2))
    assert (found.replicas, found.recommended, found.why) == (6, 6, "pods metric x above target")
    assert reasons(found) == [
        ("ScalingActive", True, "ValidMetricFound"),
        ("AbleToScale", True, "ReadyForNewScale"),
        ("ScalingLimited", False, "DesiredWithinRange"),
    ]
    assert found.conditions[0].message == "the HPA was able to successfully calculate a replica count from pods metric x"
    assert [each["n"] for each in found.metrics or ()] == [4, 6, 2]


def test_when_every_metric_is_below_its_target_there_are_fewer() -> None:
    found = decide(6, asked(3), asked(2))
    assert (found.replicas, found.why) == (3, "All metrics below target")


def test_a_metric_that_cannot_be_had_forbids_to_go_down_but_not_up() -> None:
    up = decide(3, LOST, asked(5))
    assert (up.replicas, up.events) == (5, (LOST,))
    assert up.metrics == [{"type": ""}, {"type": "Resource", "n": 5}]
    assert decide(3, LOST, asked(3)).replicas == 3
    down = decide(3, LOST, asked(2))
    assert down.replicas is None
    assert reasons(down) == [("ScalingActive", False, "FailedGetResourceMetric")]
    assert down.conditions[0].message == "the HPA was unable to compute the replica count: failed to get cpu utilization: gone"


def test_without_any_metric_nothing_is_decided_and_the_first_failure_is_told() -> None:
    found = decide(3, LOST, Failure("FailedGetPodsMetric", "no"))
    assert found.replicas is None
    first = "failed to get cpu resource metric value: failed to get cpu utilization: gone"
    assert found.trouble == f"invalid metrics (2 invalid out of 2), first error is: {first}"


def test_what_is_recommended_is_remembered_before_anything_holds_it_back() -> None:
    found = decide(6, asked(2), history=History(recommendations=[Entry(NOW - 5, 6)]))
    assert (found.replicas, found.recommended) == (6, 2)
    assert ("AbleToScale", True, "ScaleDownStabilized") in reasons(found)
