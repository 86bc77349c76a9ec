"""What a plan makes of resources that are wanted, allotted and had; and whether a node has room."""

import math
from typing import Any

import pytest

from pilothouse.engine.node.pod import allocation
from pilothouse.engine.node.pod.state import PodState, Tracked
from pilothouse.engine.node.pod.steps import Allocate, Kill, Resize
from pilothouse.engine.node.work.plan import plan
from pilothouse.engine.node.work.resizing import update
from pilothouse.model.json import Object
from tests.engine.node.builders import NOW, pod, running, spec, state, tracked

SMALL: Object = {"requests": {"cpu": "100m", "memory": "32Mi"}}
LARGE: Object = {"requests": {"cpu": "1", "memory": "32Mi"}}


def has(actual: Object | None, name: str = "main", **more: Any) -> Tracked:
    return tracked(running(name), actual=actual, **more)


def policy(resource: str) -> Object:
    return {"resizePolicy": [{"resourceName": resource, "restartPolicy": "RestartContainer"}]}


def test_a_container_gets_what_it_has_been_allotted_as_it_runs() -> None:
    wanted = spec(resources=LARGE)
    assert plan(pod(wanted), state(has(SMALL)), NOW).steps == [Resize("main", "main-0", allocation.said(wanted))]


@pytest.mark.parametrize("actual", [LARGE, None])
def test_nothing_is_done_where_it_has_that_or_nobody_knows(actual: Object | None) -> None:
    assert plan(pod(spec(resources=LARGE)), state(has(actual)), NOW).steps == []


def test_it_is_ended_to_be_made_anew_where_its_policy_says_so_of_what_changes() -> None:
    wanted = pod(spec(resources=LARGE, **policy("cpu")))
    assert plan(wanted, state(has(SMALL)), NOW).steps == [Kill("main", "main-0", "Container main resize requires restart", redo=True)]
    other = plan(pod(spec(resources=LARGE, **policy("memory"))), state(has(SMALL)), NOW).steps
    assert [type(each) for each in other] == [Resize]


def test_the_same_amount_in_other_words_restarts_nothing() -> None:
    same: Object = {"requests": {"cpu": "1000m", "memory": "32768Ki"}}
    steps = plan(pod(spec(resources=same, **policy("cpu"))), state(has(LARGE)), NOW).steps
    assert [type(each) for each in steps] == [Resize]


def test_what_is_busy_or_has_ended_is_left_alone() -> None:
    assert plan(pod(spec(resources=LARGE)), state(has(SMALL, busy=True)), NOW).steps == []


def test_a_wish_is_decided_once_and_again_when_its_time_has_come() -> None:
    waits = PodState(wanted={"main": SMALL}, allocated={"main": SMALL})
    waits.wants({"main": SMALL})
    assert not waits.resize_due
    waits.wants({"main": LARGE})
    assert waits.resize_due
    due = state(has(SMALL), resize_due=True)
    assert plan(pod(spec(resources=SMALL)), due, NOW).steps == [Allocate()]
    deferred = state(has(SMALL), resize_retry_at=NOW + 180)
    found = plan(pod(spec(resources=SMALL)), deferred, NOW)
    assert (found.steps, found.wake_at) == ([], NOW + 180)
    assert plan(pod(spec(resources=SMALL)), deferred, NOW + 180).steps == [Allocate()]


@pytest.mark.parametrize(
    ("cpu", "others", "reason"),
    [
        ("2", [], None),
        ("2001m", [], "Infeasible"),
        ("1", ["1"], None),
        ("1001m", ["500m", "500m"], "Deferred"),
        ("100", ["1"], "Infeasible"),
    ],
)
def test_a_node_has_room_or_not_now_or_never(cpu: str, others: list[str], reason: str | None) -> None:
    def asking(amount: str) -> Object:
        return pod(spec(resources={"requests": {"cpu": amount}}))

    used = {"cpu": sum(allocation.asks(asking(each))["cpu"] for each in others)}
    found = allocation.problem(asking(cpu), used, {"cpu": "2", "memory": "1Gi"})
    assert (found[0] if found else None) == reason


def test_the_pod_is_seen_as_it_is_allotted() -> None:
    wanted = pod(spec(resources=LARGE), spec("b"), initContainers=[spec("i", resources=LARGE)])
    seen = allocation.with_allocation(wanted, {"main": SMALL, "b": {}, "i": LARGE})
    assert allocation.of_spec(seen) == {"i": LARGE, "main": SMALL, "b": {}}
    assert allocation.of_spec(wanted)["main"] == LARGE
    assert allocation.with_allocation(wanted, allocation.of_spec(wanted)) is wanted


def test_limits_that_end_are_lifted_and_others_stated() -> None:
    before: Object = {"limits": {"cpu": "1", "memory": "64Mi"}}
    zero = spec(resources={"limits": {"cpu": "0", "memory": "0"}})
    found = update(pod(zero), zero, before, 2**30)
    assert (found.cpu_quota, found.memory_limit_in_bytes, found.memory_swap_limit_in_bytes) == (-1, -1, -1)
    half = spec(resources={"limits": {"cpu": "500m", "memory": "32Mi"}})
    found = update(pod(half), half, before, 2**30)
    assert (found.cpu_quota, found.memory_limit_in_bytes) == (50_000, 32 * 2**20)


def test_resizes_that_ask_for_no_more_come_first_then_priority_class_and_who_has_waited_longest() -> None:
    def turn(cpu: str, since: float, **more: Any) -> tuple[Any, ...]:
        before = pod(spec(resources=SMALL), **more)
        return allocation.turn(pod(spec(resources=SMALL | {"requests": {"cpu": cpu}}), **more), before, since)

    shrinks, grows = turn("1m", 9.0), turn("100", 1.0)
    assert sorted([grows, turn("100", 2.0), turn("100", math.inf), turn("100", 5.0, priority=7), shrinks]) == [
        shrinks, turn("100", 5.0, priority=7), grows, turn("100", 2.0), turn("100", math.inf),
    ]  # fmt: skip


def test_nothing_is_given_to_a_container_before_it_is_kept_that_it_was_allotted() -> None:
    assert plan(pod(spec(resources=LARGE)), state(has(SMALL), resize_taken=True), NOW).steps == [Allocate()]
    restarting = spec(resources=LARGE, resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}])
    assert plan(pod(restarting), state(has(SMALL), resize_taken=True), NOW).steps == [Allocate()]
