"""Which flow is next: what finding it costs, counted in comparisons of the times that flows have used."""

from itertools import count

import pytest

from pilothouse.engine.apiserver.fairness.configuration import PriorityLevel
from pilothouse.engine.apiserver.fairness.levels import Level, Pool, share_out
from pilothouse.engine.apiserver.fairness.order import Flow


class Waiter:
    is_seated = False


class Time(float):
    """Counts how often one is compared with another."""

    compared = count()

    def __lt__(self, other: float) -> bool:
        next(Time.compared)
        return float(self) < other

    def __gt__(self, other: float) -> bool:
        next(Time.compared)
        return float(self) > other

    def __le__(self, other: float) -> bool:
        next(Time.compared)
        return float(self) <= other

    def __add__(self, other: float) -> "Time":
        return Time(float(self) + other)


def crowded(flows: int) -> Level:
    """A level in which so many flows wait, each with three requests and with a time of its own."""
    level = Level(PriorityLevel("users", shares=1, queues=8, hand_size=4, queue_length=50), Pool())
    share_out([level], level.pool, 16)
    for number in range(flows):
        flow = level.flow(f"flow-{number}")
        flow.virtual_s = Time((number * 7919) % flows / 1e6)
        for _ in range(3):
            level.queue(flow, Waiter())
    return level


def served(level: Level) -> Flow:
    flow = level.next()
    assert flow is not None
    level.dequeue(flow, flow.waiting[0])
    level.take(flow)
    level.charge(flow, 0.001)
    level.give(flow)
    return flow


@pytest.mark.parametrize("flows", [10, 100, 10_000])
def test_each_turn_costs_no_more_than_the_logarithm_of_how_many_wait(flows: int) -> None:
    level = crowded(flows)
    before = next(Time.compared)
    for _ in range(100 if flows > 10 else 20):
        served(level)
    turns = 100 if flows > 10 else 20
    assert (next(Time.compared) - before) / turns < 10 * (1 + flows.bit_length())


def test_who_has_used_least_is_next_whatever_has_been_charged_since() -> None:
    level = crowded(3)
    used = {flow.name: flow for flow in level._flows.values()}
    level.charge(used["flow-0"], 5.0)
    level.charge(used["flow-1"], 4.0)
    assert [served(level).name for _ in range(4)] == ["flow-2", "flow-2", "flow-2", "flow-1"]


def test_flows_that_come_and_go_leave_no_more_entries_than_there_are_flows() -> None:
    level = crowded(1)
    for number in range(1000):
        flow, waiter = level.flow(f"passing-{number}"), Waiter()
        flow.virtual_s = 1.0
        level.queue(flow, waiter)
        level.dequeue(flow, waiter)
        level.rest(flow)
    assert sum(map(len, level._order._entries.values())) < 50
