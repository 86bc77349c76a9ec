from typing import Any

import pytest

from pilothouse.engine.controllers.disruption import plan
from pilothouse.model import meta
from tests.engine.controllers.objects import NOW, ago, pod


def budget(*, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "b", "namespace": "default", "generation": 2}
    return {"metadata": metadata, "spec": {"selector": {"matchLabels": {"app": "web"}}} | spec, "status": status or {}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (3, 2)),
        ({"minAvailable": "50%"}, (5, 3)),
        ({"maxUnavailable": 1}, (5, 4)),
        ({"maxUnavailable": "30%"}, (5, 3)),
        ({"maxUnavailable": 9}, (5, 0)),
        ({}, (3, 0)),
    ],
)
def test_how_many_pods_have_to_be_healthy(spec: dict[str, Any], expected: tuple[int, int]) -> None:
    assert plan.wanted(budget(**spec), count=3, scale=5) == expected


def test_ready_pods_that_stay_are_healthy() -> None:
    pods = [pod("a", ready_s=5), pod("b"), pod("c", ready_s=5, deleting=True), pod("d", ready_s=5)]
    assert plan.healthy(pods, {"d": ago(1)}) == 1


def test_what_is_more_than_wanted_may_be_disrupted() -> None:
    status = plan.status(budget(), 5, plan.Wanted(5, 3), {}, NOW)
    assert (status["disruptionsAllowed"], status["observedGeneration"]) == (2, 2)
    assert [(each["status"], each["reason"]) for each in status["conditions"]] == [("True", "SufficientPods")]


@pytest.mark.parametrize("want", [plan.Wanted(5, 5), plan.Wanted(0, 0)])
def test_nothing_may_be_disrupted_without_pods_to_spare_or_to_expect(want: plan.Wanted) -> None:
    status = plan.status(budget(), 5, want, {}, NOW)
    assert status["disruptionsAllowed"] == 0
    assert status["conditions"][0]["reason"] == "InsufficientPods"


def test_a_granted_eviction_is_remembered_for_two_minutes_or_until_the_pod_goes() -> None:
    noted = budget(status={"disruptedPods": {"a": ago(20), "b": ago(121), "c": ago(5), "gone": ago(5)}})
    found = plan.granted(noted, [pod("a"), pod("b"), pod("c", deleting=True), pod("d")], NOW)
    assert found.pending == {"a": ago(20)}
    assert [meta.name(each) for each in found.stale] == ["b"]
    assert found.again_s == 100


def test_while_it_is_unknown_what_may_be_nothing_may() -> None:
    failed = plan.failed(budget(status={"disruptionsAllowed": 2, "currentHealthy": 3}), "why", NOW)
    assert (failed["disruptionsAllowed"], failed["currentHealthy"]) == (0, 3)
    assert (failed["conditions"][0]["reason"], failed["conditions"][0]["message"]) == ("SyncFailed", "why")


def test_a_pod_says_for_two_minutes_that_it_is_about_to_go() -> None:
    target = pod("a")
    target["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": ago(50)}]
    assert plan.target_ends_s(target, NOW) == 70
    assert plan.target_ends_s(pod("b"), NOW) is None
    assert plan.target_ends_s(target | {"metadata": target["metadata"] | {"deletionTimestamp": ago(0)}}, NOW) is None
