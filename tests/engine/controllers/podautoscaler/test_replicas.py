"""How many pods a metric asks for: cases of upstream's replica_calculator_test.go in the words of this tree."""

from typing import Any

import pytest

from pilothouse.engine.controllers.podautoscaler.facts import Tolerances
from pilothouse.engine.controllers.podautoscaler.replicas import Situation, by_average, by_share, by_utilization, by_value
from pilothouse.engine.controllers.podautoscaler.samples import MetricError, Sample, duration_s, of_custom, of_pods
from pilothouse.model import meta
from pilothouse.model.json import Object

NOW = 1_800_000_000.0
OLD = meta.rfc3339(NOW - 3600)


def pod(name: str, **more: Any) -> Object:
    """A pod that has been ready for an hour and asks for one processor. more: what of its status is otherwise."""
    ready = {"type": "Ready", "status": more.pop("ready", "True"), "lastTransitionTime": more.pop("since", OLD)}
    status = {"phase": "Running", "startTime": OLD, "conditions": [ready], **more}
    container = {"name": "c", "resources": {"requests": {"cpu": "1", "memory": "1Mi"}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container]}, "status": status}


def situation(*pods: Object, current: int | None = None, tolerances: Tolerances | None = None) -> Situation:
    return Situation(len(pods) if current is None else current, pods, NOW, tolerances or Tolerances())


def used(*milli: int, at: float = NOW, window_s: float = 15.0) -> dict[str, Sample]:
    return {f"p{index}": Sample(each, at, window_s) for index, each in enumerate(milli)}


def pods(count: int) -> list[Object]:
    return [pod(f"p{index}") for index in range(count)]


@pytest.mark.parametrize(
    ("milli", "target", "expected"),
    [
        pytest.param((300, 500, 700), 30, (5, 50, 500), id="up"),
        pytest.param((100, 300, 500), 50, (2, 30, 300), id="down"),
        pytest.param((1010, 1030, 1020), 100, (3, 102, 1020), id="within the tolerance above"),
        pytest.param((910, 930, 920), 100, (3, 92, 920), id="within the tolerance below"),
        pytest.param((0, 0, 0), 50, (0, 0, 0), id="nothing is used"),
    ],
)
def test_utilization_is_held_against_what_is_requested(milli: tuple[int, ...], target: int, expected: tuple[int, int, int]) -> None:
    assert by_utilization(used(*milli), "cpu", target, situation(*pods(len(milli)))) == expected


def test_the_tolerance_is_the_autoscalers_own() -> None:
    tight = Tolerances(up=0.01, down=0.2)
    assert by_utilization(used(1040, 1040), "cpu", 100, situation(*pods(2), tolerances=tight))[0] == 3
    assert by_utilization(used(850, 850), "cpu", 100, situation(*pods(2), tolerances=tight))[0] == 2


def test_pods_without_a_metric_use_nothing_on_the_way_up_and_all_they_may_on_the_way_down() -> None:
    # Two of three use 90 %: with a third that uses nothing that is 60 %, which asks for four and not for six.
    assert by_utilization(used(900, 900), "cpu", 50, situation(*pods(3)))[0] == 4
    # Two of four use 10 %: with two that use all they ask for that is 55 %.
    assert by_utilization(used(100, 100), "cpu", 60, situation(*pods(4)))[0] == 4
    assert by_utilization(used(100, 100), "cpu", 80, situation(*pods(4)))[0] == 3


def test_a_missing_metric_never_turns_the_direction() -> None:
    assert by_utilization(used(600), "cpu", 50, situation(*pods(3)))[0] == 3
    assert by_utilization(used(400), "cpu", 50, situation(*pods(3)))[0] == 3


def test_pods_that_are_not_ready_yet_use_nothing_on_the_way_up_and_do_not_count_on_the_way_down() -> None:
    young = pod("p2", ready="False", since=meta.rfc3339(NOW - 20), startTime=meta.rfc3339(NOW - 20))
    assert by_utilization(used(900, 900, 4000), "cpu", 50, situation(*pods(2), young))[0] == 4
    assert by_utilization(used(200, 200, 4000), "cpu", 50, situation(*pods(2), young, current=3))[0] == 1
    pending = pod("p2", phase="Pending")
    assert by_utilization(used(900, 900), "cpu", 50, situation(*pods(2), pending))[0] == 4


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        pytest.param({"startTime": meta.rfc3339(NOW - 60), "since": meta.rfc3339(NOW - 40)}, True, id="ready for a window"),
        pytest.param({"startTime": meta.rfc3339(NOW - 60), "since": meta.rfc3339(NOW - 10)}, False, id="ready for less than a window"),
        pytest.param({"ready": "False", "since": meta.rfc3339(NOW - 1800)}, True, id="was ready once"),
        pytest.param({"ready": "False", "since": meta.rfc3339(NOW - 3590)}, False, id="never was ready"),
        pytest.param({"startTime": None}, False, id="no start"),
        pytest.param({"conditions": []}, False, id="no condition"),
    ],
)
def test_the_cpu_of_a_pod_counts_once_it_says_more_than_how_it_starts(status: Object, counts: bool) -> None:
    around = situation(pod("p0"), pod("p1", **status))
    _, utilization, _ = by_utilization(used(200, 800), "cpu", 50, around)
    assert utilization == (50 if counts else 20)
    assert by_average(used(200, 800), "memory", 1000, around)[1] == 500


@pytest.mark.parametrize("gone", [{"phase": "Failed"}, {"deletionTimestamp": OLD}])
def test_pods_that_are_ending_do_not_count_at_all(gone: Object) -> None:
    ending = pod("p2", **{name: value for name, value in gone.items() if name == "phase"})
    ending["metadata"] |= {name: value for name, value in gone.items() if name != "phase"}
    assert by_utilization(used(500, 500, 5000), "cpu", 50, situation(*pods(2), ending, current=2)) == (2, 50, 500)


def test_without_requests_there_is_no_utilization() -> None:
    bare = pod("p0")
    bare["spec"]["containers"][0].pop("resources")
    with pytest.raises(MetricError, match="missing request for cpu in container c of Pod p0"):
        by_utilization(used(100), "cpu", 50, situation(bare))
    assert by_average(used(100), "cpu", 50, situation(bare)) == (2, 100)


def test_a_request_of_the_pod_as_a_whole_stands_for_its_containers() -> None:
    whole = pod("p0")
    whole["spec"]["resources"] = {"requests": {"cpu": "2"}}
    assert by_utilization(used(1000), "cpu", 50, situation(whole))[1] == 50
    assert by_utilization(used(1000), "cpu", 50, situation(whole), "c")[1] == 100


def test_only_the_named_container_counts() -> None:
    two = pod("p0")
    two["spec"]["containers"].append({"name": "d", "resources": {}})
    assert by_utilization(used(500), "cpu", 50, situation(two), "c")[1] == 50


@pytest.mark.parametrize(
    ("samples", "around", "why"),
    [
        ({}, situation(), "no pods returned by selector while calculating replica count"),
        ({}, situation(pod("p0")), "did not receive metrics for any ready pods"),
        ({"other": Sample(5)}, situation(pod("p0")), "no metrics returned matched known pods"),
    ],
)
def test_what_cannot_be_worked_out_says_why(samples: dict[str, Sample], around: Situation, why: str) -> None:
    with pytest.raises(MetricError, match=why):
        by_utilization(samples, "cpu", 50, around)


@pytest.mark.parametrize(
    ("milli", "target", "expected"),
    [((20_000, 10_000, 30_000), 15_000, (4, 20_000)), ((12_000,) * 5, 20_000, (3, 12_000)), ((20_000,) * 3, 20_000, (3, 20_000))],
)
def test_an_average_is_held_against_its_target(milli: tuple[int, ...], target: int, expected: tuple[int, int]) -> None:
    assert by_average(used(*milli), "", target, situation(*pods(len(milli)))) == expected


@pytest.mark.parametrize(
    ("usage", "target", "current", "expected"),
    [(20_000, 15_000, 3, 4), (400_000, 20_000, 0, 20), (0, 20_000, 0, 0), (15_500, 15_000, 3, 3), (5_000, 15_000, 3, 1)],
)
def test_one_value_for_all_is_held_against_its_target(usage: int, target: int, current: int, expected: int) -> None:
    assert by_value(usage, target, situation(*pods(max(1, current)), current=current)) == expected


@pytest.mark.parametrize(
    ("usage", "target", "running", "expected"),
    [(40_000, 10_000, 3, (4, 13_334)), (28_000, 10_000, 3, (3, 9_334)), (8_600, 2_867, 3, (3, 2_867)), (9_000, 3_000, 0, (3, 9_000))],
)
def test_a_shared_value_is_divided_among_the_pods(usage: int, target: int, running: int, expected: tuple[int, int]) -> None:
    assert by_share(usage, target, running, Tolerances()) == expected


def test_what_pods_use_is_summed_over_their_containers() -> None:
    item = {
        "metadata": {"name": "p", "namespace": "d"},
        "timestamp": OLD,
        "window": "15.5s",
        "containers": [{"name": "c", "usage": {"cpu": "100m", "memory": "1Ki"}}, {"name": "d", "usage": {"cpu": "1500000n"}}],
    }
    assert of_pods([item], "cpu") == {"p": Sample(102, NOW - 3600, 15.5)}
    assert of_pods([item], "cpu", "c") == {"p": Sample(100, NOW - 3600, 15.5)}
    assert of_pods([item], "memory") == {}
    with pytest.raises(MetricError, match="container x not present in metrics for pod d/p"):
        of_pods([item], "cpu", "x")


def test_custom_metrics_name_what_they_describe() -> None:
    item = {"describedObject": {"kind": "Pod", "name": "p"}, "timestamp": OLD, "value": "1500m"}
    assert of_custom([item]) == {"p": Sample(1500, NOW - 3600, 60.0)}
    with pytest.raises(MetricError, match="no quantity"):
        of_custom([item | {"value": "much"}])


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"windowSeconds": "1m"}, "has given a window of '1m', which is no number of seconds"),
        ({"window": [60]}, r"a window of \[60\]"),
        ({"windowSeconds": 10**400}, "a window of 1000"),
        ({"windowSeconds": True}, "a window of True"),
        ({"describedObject": "p"}, "a value of 'p', which names no object"),
        ({"describedObject": {"name": ["p"]}}, "which names no object"),
        ({"value": {"of": "w" * 9000}}, r"has given {'of': 'w{90,100}\.\.\., which is no quantity$"),
    ],
)
def test_an_odd_answer_of_an_adapter_says_what_is_odd(odd: Object, why: str) -> None:
    with pytest.raises(MetricError, match=why):
        of_custom([{"describedObject": {"kind": "Pod", "name": "p"}, "timestamp": OLD, "value": "1500m"} | odd])


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15.0), ("1m15.5s", 75.5), ("1h", 3600.0), ("250ms", 0.25), ("", 0.0), (None, 0.0)])
def test_windows_are_read_as_go_writes_them(text: object, seconds: float) -> None:
    assert duration_s(text) == seconds
