"""From what nodes say to what is used: parsing, and two points to one rate."""

import pytest

from pilothouse.engine.apiserver.resource_metrics.objects import duration
from pilothouse.engine.apiserver.resource_metrics.points import ContainerKey, parse
from pilothouse.engine.apiserver.resource_metrics.rates import NodeUsage, Usage, joined
from pilothouse.engine.node.stats.exposition.resource import exposition
from pilothouse.engine.node.stats.figures import ContainerFigures, Cpu, Figures, Memory, PodFigures
from tests.engine.apiserver.resource_metrics.played import figures
from tests.simulation.fake_figures import plenty

KEY = ContainerKey("default", "p", "c")
T = 1_000_000.0


def after(*texts: str, resolution_s: float = 15.0) -> NodeUsage:
    known: NodeUsage | None = None
    for text in texts:
        known = joined(known, parse(text), 0.0, resolution_s)
    assert known is not None
    return known


def one(at: float, cpu_s: float, started_at: float = T - 1000, memory: int = 4096) -> str:
    return figures(at, cpu_s, ("p", "c", cpu_s, memory, started_at))


def test_what_a_node_of_ours_says_is_understood() -> None:
    pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u"}}
    container = ContainerFigures("c", "id", "image", T - 9, T, cpu=Cpu(1_500_000_000), memory=Memory(9, 4096))
    found = parse(exposition(Figures(plenty("n"), (PodFigures(pod, T - 9, T, containers=(container,)),))))
    point = found.containers[KEY]
    assert (point.at, point.cpu_s, point.memory_bytes, point.started_at) == (T, 1.5, 4096, T - 9)
    assert found.node.is_complete


@pytest.mark.parametrize(
    "text",
    [
        "",
        "node_cpu_usage_seconds_total",
        "node_cpu_usage_seconds_total x 1",
        "node_cpu_usage_seconds_total NaN 1",
        "container_cpu_usage_seconds_total{} 1 1",
        'container_cpu_usage_seconds_total{pod="p",namespace="d",container="c"} 1 1',
        "\x00\xff{{{",
    ],
)
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    found = parse(text)
    assert not found.containers
    assert not found.node.is_complete


def test_the_rate_is_that_between_the_last_two_points() -> None:
    known = after(one(T, 10.0), one(T + 10, 12.5), one(T + 20, 20.0, memory=8192))
    assert known.containers[KEY].usage() == Usage(T + 20, 10.0, 750_000_000, 8192)
    assert known.node.usage() == Usage(T + 20, 10.0, 750_000_000, 1_048_576_000)


def test_one_point_tells_no_rate_and_the_same_point_twice_neither() -> None:
    assert after(one(T, 10.0)).containers[KEY].usage() is None
    assert after(one(T, 10.0), one(T, 10.0)).containers[KEY].usage() is None
    known = after(one(T, 10.0), one(T + 10, 12.0), one(T + 10, 12.0))
    assert known.containers[KEY].usage() == Usage(T + 10, 10.0, 200_000_000, 4096)


@pytest.mark.parametrize(("age_s", "expected"), [(5.0, None), (12.0, 500_000_000), (60.0, None)])
def test_a_new_container_is_measured_since_its_start_once_it_has_lived_a_little(age_s: float, expected: int | None) -> None:
    usage = after(one(T, age_s / 2, started_at=T - age_s)).containers[KEY].usage()
    assert (None if usage is None else usage.nanocores) == expected


def test_a_container_that_was_started_again_is_not_measured_against_its_last_life() -> None:
    known = after(one(T, 100.0), one(T + 15, 1.0, started_at=T + 5))
    usage = known.containers[KEY].usage()
    assert usage is not None
    assert (usage.nanocores, usage.window_s) == (100_000_000, 10.0)
    assert after(one(T, 100.0), one(T + 15, 1.0)).containers[KEY].usage() is None


def test_what_a_node_does_not_name_any_more_is_forgotten() -> None:
    assert not after(one(T, 1.0), figures(T + 10, 2.0)).containers


@pytest.mark.parametrize(("seconds", "shown"), [(15.0, "15s"), (15.2344, "15.234s"), (60, "1m0s"), (75.5, "1m15.5s"), (0.25, "0.25s")])
def test_windows_are_written_as_go_writes_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
