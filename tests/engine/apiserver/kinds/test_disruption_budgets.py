import pytest

from pilothouse.engine.apiserver.kinds.disruption_budgets import PODDISRUPTIONBUDGET as KIND
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, brief, changed, created, named, refusals, update_refusals

SELECTOR = {"matchLabels": {"app": "web"}}


def budget(**spec: object) -> Object:
    return named(spec={"selector": SELECTOR, **spec})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 1}, []),
        ({"maxUnavailable": "10%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}, []),
        ({"minAvailable": 1, "maxUnavailable": 1}, ["spec Invalid"]),
        ({"minAvailable": "101%"}, ["spec.minAvailable Invalid"]),
        ({"minAvailable": "x"}, ["spec.minAvailable Invalid"]),
        ({"maxUnavailable": -1}, ["spec.maxUnavailable Invalid"]),
        ({"selector": {"matchLabels": {"a b": "c"}}}, ["spec.selector.matchLabels Invalid"]),
        ({"unhealthyPodEvictionPolicy": "Never"}, ["spec.unhealthyPodEvictionPolicy NotSupported"]),
    ],
)
def test_what_a_budget_may_say(spec: Object, expected: list[str]) -> None:
    assert refusals(KIND, budget(**spec)) == expected


def test_both_limits_are_refused_in_upstreams_words() -> None:
    (cause,) = KIND.validate(created(KIND, budget(minAvailable=1, maxUnavailable=1)))
    shown = '{"MinAvailable":1,"Selector":{"matchLabels":{"app":"web"}},"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}'
    assert cause.message == f"Invalid value: {shown}: minAvailable and maxUnavailable cannot be both set"


def test_a_new_one_allows_nothing_yet_and_all_of_it_may_change() -> None:
    made = created(KIND, budget(minAvailable=1))
    assert made["status"] == {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    assert update_refusals(KIND, budget(minAvailable=1), budget(minAvailable="50%", selector={})) == []


def test_counts_are_never_negative() -> None:
    old = created(KIND, budget(minAvailable=1))
    assert brief(KIND.validate_status_update(changed(old, "status.disruptionsAllowed", -1), old)) == ["status.disruptionsAllowed Invalid"]


def test_its_row_shows_the_limit_that_is_set() -> None:
    made = created(KIND, budget(maxUnavailable="10%"))
    made["metadata"]["creationTimestamp"] = "2026-05-04T11:59:00Z"
    assert KIND.cells(changed(made, "status.disruptionsAllowed", 2), NOW) == ["it", "N/A", "10%", 2, "60s"]
