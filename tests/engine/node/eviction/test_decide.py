"""From observations to what is done about them, look by look."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from pilothouse.engine.node.eviction.decide import Memory, Observed, Verdict, judge, met, observe
from pilothouse.engine.node.eviction.thresholds import Threshold, parse
from tests.simulation.fake_figures import plenty

CAPACITY = 1000
TRANSITION_S = 300.0


@dataclass(frozen=True)
class Look:
    """What is available at a moment, and what must be decided then: conditions, and the signals that are acted upon."""

    at: float
    available: dict[str, int]
    conditions: str = ""
    starved: tuple[str, ...] = ()


def play(thresholds: Sequence[Threshold], looks: Sequence[Look]) -> None:
    memory = Memory()
    for look in looks:
        observed = {signal: Observed(amount, CAPACITY) for signal, amount in look.available.items()}
        verdict = judge(thresholds, observed, memory, look.at, TRANSITION_S)
        memory = verdict.memory
        assert " ".join(sorted(verdict.conditions)) == look.conditions, look
        assert tuple(each.signal for each in verdict.starved) == look.starved, look


MEM, DISK, PID = "memory.available", "nodefs.available", "pid.available"


def test_a_hard_threshold_is_acted_on_at_once_and_the_condition_stays_for_a_while() -> None:
    play(
        parse("memory.available<100"),
        [
            Look(0, {MEM: 100}),
            Look(10, {MEM: 99}, "MemoryPressure", (MEM,)),
            Look(20, {MEM: 100}, "MemoryPressure"),
            Look(309, {MEM: 500}, "MemoryPressure"),
            Look(310, {MEM: 500}),
            Look(320, {MEM: 1}, "MemoryPressure", (MEM,)),
        ],
    )


def test_a_condition_that_comes_and_goes_stays() -> None:
    looks = [Look(at, {DISK: 5 if at % 200 == 0 else 50}, "DiskPressure", (DISK,) if at % 200 == 0 else ()) for at in range(0, 1000, 100)]
    play(parse("nodefs.available<1%"), looks)


def test_a_soft_threshold_waits_for_its_grace_without_a_break() -> None:
    play(
        parse("", "memory.available<200", "memory.available=30s"),
        [
            Look(0, {MEM: 150}, "MemoryPressure"),
            Look(20, {MEM: 150}, "MemoryPressure"),
            Look(25, {MEM: 250}, "MemoryPressure"),
            Look(40, {MEM: 150}, "MemoryPressure"),
            Look(69, {MEM: 150}, "MemoryPressure"),
            Look(70, {MEM: 150}, "MemoryPressure", (MEM,)),
        ],
    )


def test_the_minimum_reclaim_is_what_an_eviction_goes_on_for() -> None:
    play(
        parse("nodefs.available<100", min_reclaim="nodefs.available=50"),
        [
            Look(0, {DISK: 120}),
            Look(10, {DISK: 90}, "DiskPressure", (DISK,)),
            Look(20, {DISK: 149}, "DiskPressure", (DISK,)),
            Look(30, {DISK: 150}, "DiskPressure"),
            Look(40, {DISK: 120}, "DiskPressure"),
        ],
    )


def test_memory_comes_before_everything_else() -> None:
    thresholds = parse("pid.available<10,nodefs.available<10,memory.available<10")
    play(thresholds, [Look(0, {PID: 1, DISK: 1, MEM: 1}, "DiskPressure MemoryPressure PIDPressure", (MEM, PID, DISK))])


def test_what_is_not_observed_is_not_judged() -> None:
    play(parse("memory.available<100%"), [Look(0, {})])


def test_without_thresholds_nothing_is_decided() -> None:
    assert judge((), {MEM: Observed(0, 1)}, Memory(), 0.0, TRANSITION_S) == Verdict(Memory())


def test_a_node_is_observed_by_all_its_signals() -> None:
    node = plenty()
    found = observe(node)
    assert found["pid.available"] == Observed(32768 - 300, 32768)
    assert {signal: each.available for signal, each in found.items() if signal != "pid.available"} == {
        "memory.available": 13 << 30,
        "nodefs.available": 80 << 30,
        "imagefs.available": 80 << 30,
        "nodefs.inodesFree": 900_000,
        "imagefs.inodesFree": 900_000,
    }


def test_a_file_system_without_numbers_of_inodes_is_never_short_of_them() -> None:
    node = plenty()
    without = replace(node, fs=replace(node.fs, inodes=0, inodes_free=0))
    assert "nodefs.inodesFree" not in observe(without)


@pytest.mark.parametrize(("available", "is_met"), [(99, True), (100, False), (101, False)])
def test_the_threshold_itself_is_enough(available: int, is_met: bool) -> None:
    assert bool(met(parse("memory.available<100"), {MEM: Observed(available, CAPACITY)}, with_reclaim=False)) is is_met
