"""How far an autoscaler goes at once: windows, policies and bounds, after upstream's horizontal_test.go."""

import pytest

from pilothouse.engine.controllers.podautoscaler.facts import Behavior, Policy, Rules, behavior, tolerances
from pilothouse.engine.controllers.podautoscaler.history import Entry, History
from pilothouse.engine.controllers.podautoscaler.pace import Bounds, Paced, keep_s, paced

NOW = 10_000.0
ALL = Policy(True, 100, 15.0)
FOUR = Policy(False, 4, 15.0)


def rules(*policies: Policy, select: str = "Max", window_s: float = 0.0) -> Rules:
    return Rules(window_s, select, policies or (ALL,))


def go(wanted: int, current: int, how: Behavior | None = None, *, least: int = 1, most: int = 100, history: History | None = None) -> Paced:
    return paced(wanted, Bounds(current, least, most), how, history or History(), NOW)


def reasons(found: Paced) -> tuple[int, str, str, bool]:
    return found.replicas, found.stabilized[0], found.limited[0], found.is_limited


@pytest.mark.parametrize(
    ("wanted", "current", "bounds", "expected"),
    [
        (3, 2, {}, (3, "ReadyForNewScale", "DesiredWithinRange", False)),
        (9, 2, {}, (4, "ReadyForNewScale", "ScaleUpLimit", True)),
        (30, 10, {}, (20, "ReadyForNewScale", "ScaleUpLimit", True)),
        (9, 5, {"most": 7}, (7, "ReadyForNewScale", "TooManyReplicas", True)),
        (0, 3, {"least": 2}, (2, "ReadyForNewScale", "TooFewReplicas", True)),
    ],
)
def test_without_a_behavior_there_are_at_most_twice_as_many_after_a_step(
    wanted: int, current: int, bounds: dict[str, int], expected: tuple[int, str, str, bool]
) -> None:
    assert reasons(go(wanted, current, **bounds)) == expected


def test_without_a_behavior_the_highest_recommendation_of_five_minutes_counts() -> None:
    history = History(recommendations=[Entry(NOW - 301, 9), Entry(NOW - 299, 5), Entry(NOW - 10, 3)])
    assert reasons(go(2, 6, history=history)) == (5, "ScaleDownStabilized", "DesiredWithinRange", False)
    assert go(7, 6, history=history).replicas == 7
    assert keep_s(None) == 300.0


def test_windows_keep_each_direction_by_its_own_recommendations() -> None:
    how = Behavior(up=rules(window_s=60.0), down=rules(window_s=120.0))
    history = History(recommendations=[Entry(NOW - 100, 8), Entry(NOW - 50, 4)])
    assert reasons(go(9, 3, how, history=history)) == (4, "ScaleUpStabilized", "DesiredWithinRange", False)
    assert reasons(go(2, 9, how, history=history)) == (8, "ScaleDownStabilized", "DesiredWithinRange", False)
    # Between the two: neither is there reason to go up nor down.
    assert go(9, 5, how, history=history).replicas == 5
    assert keep_s(how) == 120.0


@pytest.mark.parametrize(
    ("policies", "select", "expected"),
    [
        pytest.param((FOUR, ALL), "Max", 20, id="the larger change"),
        pytest.param((FOUR, ALL), "Min", 14, id="the smaller change"),
        pytest.param((FOUR, ALL), "Disabled", 10, id="no change"),
        pytest.param((Policy(True, 10, 60.0),), "Max", 11, id="percent"),
    ],
)
def test_policies_bound_a_step_up(policies: tuple[Policy, ...], select: str, expected: int) -> None:
    found = go(50, 10, Behavior(up=rules(*policies, select=select), down=rules()))
    assert (found.replicas, found.limited[0]) == (expected, "ScaleUpLimit")


@pytest.mark.parametrize(
    ("policies", "select", "expected"),
    [
        pytest.param((FOUR, Policy(True, 10, 60.0)), "Max", 6, id="the larger change"),
        pytest.param((FOUR, Policy(True, 10, 60.0)), "Min", 9, id="the smaller change"),
        pytest.param((FOUR,), "Disabled", 10, id="no change"),
        pytest.param((Policy(True, 15, 60.0),), "Max", 8, id="percent"),
    ],
)
def test_policies_bound_a_step_down(policies: tuple[Policy, ...], select: str, expected: int) -> None:
    found = go(1, 10, Behavior(up=rules(), down=rules(*policies, select=select)))
    assert (found.replicas, found.limited[0]) == (expected, "ScaleDownLimit")


def test_a_step_of_a_percentage_is_at_least_one_pod_up() -> None:
    assert go(5, 1, Behavior(up=rules(Policy(True, 1, 60.0)), down=rules())).replicas == 2


def test_what_was_changed_within_a_period_is_part_of_the_step() -> None:
    how = Behavior(up=rules(Policy(False, 4, 60.0)), down=rules(Policy(False, 4, 60.0)))
    history = History(ups=[Entry(NOW - 30, 3), Entry(NOW - 61, 9)])
    assert go(50, 10, how, history=history).replicas == 11
    history = History(downs=[Entry(NOW - 30, 3)])
    assert go(1, 10, how, history=history).replicas == 9
    history = History(ups=[Entry(NOW - 30, 6)])
    assert go(50, 10, how, history=history).replicas == 10


def test_bounds_count_before_policies() -> None:
    how = Behavior(up=rules(), down=rules())
    assert reasons(go(50, 10, how, most=12)) == (12, "ReadyForNewScale", "TooManyReplicas", True)
    assert reasons(go(0, 10, how, least=3)) == (3, "ReadyForNewScale", "TooFewReplicas", True)


def test_only_what_may_be_of_use_is_remembered() -> None:
    history = History()
    for at in (1.0, 50.0, 100.0):
        history.recommended(int(at), at, 60.0)
        history.scaled(1, 3, at, 30.0)
    assert history.recommendations == [Entry(50.0, 50), Entry(100.0, 100)]
    assert history.ups == [Entry(100.0, 2)]
    history.scaled(3, 1, 101.0, 0.0)
    assert history.downs == [Entry(101.0, 2)]


def test_what_an_autoscaler_says_of_its_pace_is_read() -> None:
    policy = {"type": "Percent", "value": 10, "periodSeconds": 60}
    up = {"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "policies": [policy], "tolerance": "50m"}
    hpa = {"spec": {"behavior": {"scaleUp": up, "scaleDown": {"selectPolicy": "Max", "policies": [policy]}}}}
    found = behavior(hpa)
    assert found == Behavior(Rules(0.0, "Min", (Policy(True, 10, 60.0),)), Rules(300.0, "Max", (Policy(True, 10, 60.0),)))
    assert (tolerances(hpa).up, tolerances(hpa).down) == (0.05, 0.1)
    assert behavior({"spec": {}}) is None
