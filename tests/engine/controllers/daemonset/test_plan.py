from typing import Any

import pytest

from pilothouse.engine.controllers.daemonset import plan as plans
from pilothouse.engine.controllers.daemonset.backoff import MOST_S, Backoff
from pilothouse.engine.controllers.daemonset.fit import build
from pilothouse.engine.controllers.daemonset.plan import Plan
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.daemonset.objects import daemon, daemon_set, node, scene, taint
from tests.engine.controllers.objects import NOW

A, B, C = node("a"), node("b"), node("c")
ALL = (A, B, C)


def decide(owner: Object, nodes: Any, *pods: Object, **more: Any) -> Plan:
    return plans.decide(scene(owner, nodes, *pods, **more))


def deleted(plan: Plan) -> list[str]:
    return [meta.name(each.pod) for each in plan.delete]


def old(*nodes: str) -> list[Object]:
    return [daemon(f"old-{each}", each, "old") for each in nodes]


def unscheduled(name: str, target: str) -> Object:
    made = build(daemon_set(), target, "new")
    made["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    return made


@pytest.mark.parametrize(
    ("nodes", "pods", "create", "gone"),
    [
        ((A, B), [], ["a", "b"], []),
        ((A, B), [daemon("1", "a")], ["b"], []),
        ((A,), [unscheduled("1", "a")], [], []),
        ((A,), [daemon("1", "a", deleting=True)], [], []),
        ((A,), [daemon("1", "a", age_s=9), daemon("2", "a", age_s=99)], [], ["1"]),
        ((A,), [unscheduled("1", "a"), daemon("2", "a", age_s=1)], [], ["1"]),
        ((A,), [daemon("1", "a", phase="Failed", ready_s=None)], [], ["1"]),
        ((A,), [daemon("1", "a", phase="Succeeded", ready_s=None)], [], ["1"]),
        ((node("a", taint("x")),), [], [], []),
        ((node("a", taint("x")),), [daemon("1", "a")], [], []),
        ((node("a", taint("x", "NoExecute")),), [daemon("1", "a"), daemon("2", "a", deleting=True)], [], ["1"]),
        ((A,), [daemon("1", "a"), unscheduled("2", "gone")], [], ["2"]),
        ((A,), [daemon("1", "a"), daemon("2", "gone")], [], []),
    ],
)
def test_each_node_that_fits_has_one_pod(nodes: Any, pods: list[Object], create: list[str], gone: list[str]) -> None:
    plan = decide(daemon_set(), nodes, *pods)
    assert (plan.create, deleted(plan)) == (create, gone)


def test_a_failed_pod_is_replaced_when_its_node_has_been_left_alone_for_a_while() -> None:
    failed = daemon("1", "a", phase="Failed", ready_s=None)
    plan = decide(daemon_set(), [A], failed, wait_s=lambda each: 4.0)
    assert (plan.create, deleted(plan), plan.again_s) == ([], [], 4.0)
    (victim,) = decide(daemon_set(), [A], failed).delete
    assert victim.node == "a"


def test_a_failed_pod_that_is_waited_for_is_not_surged_over() -> None:
    failed = daemon("1", "a", phase="Failed", ready_s=None)
    assert decide(daemon_set(0, 1), [A], failed, wait_s=lambda each: 4.0).create == []


def test_a_round_makes_at_most_a_burst() -> None:
    assert len(decide(daemon_set(), [node(f"n{number}") for number in range(400)]).create) == plans.BURST


@pytest.mark.parametrize(
    ("unavailable", "pods", "gone"),
    [
        (1, old("a", "b", "c"), ["old-a"]),
        (2, old("a", "b", "c"), ["old-a", "old-b"]),
        ("50%", old("a", "b", "c"), ["old-a", "old-b"]),
        ("1%", old("a", "b", "c"), ["old-a"]),
        (1, [daemon("1", "a", ready_s=None), *old("b", "c")], []),
        (1, [daemon("1", "a"), *old("b", "c")], ["old-b"]),
        (1, [daemon("1", "a", "old", deleting=True), *old("b", "c")], []),
        (1, [*old("a", "b"), daemon("old-c", "c", "old", ready_s=None)], ["old-c"]),
        (2, [*old("a", "b"), daemon("old-c", "c", "old", ready_s=None)], ["old-c", "old-a"]),
        (1, [daemon("1", "a", ready_s=None), *old("b"), daemon("old-c", "c", "old", ready_s=None)], ["old-c"]),
    ],
)
def test_old_pods_go_as_many_as_may_be_down_and_broken_ones_first(unavailable: int | str, pods: list[Object], gone: list[str]) -> None:
    assert deleted(decide(daemon_set(unavailable), ALL, *pods)) == gone


def test_new_pods_count_when_they_were_ready_for_long_enough() -> None:
    pods = [daemon("1", "a", ready_s=10), *old("b", "c")]
    assert deleted(decide(daemon_set(minReadySeconds=30), ALL, *pods)) == []
    assert deleted(decide(daemon_set(minReadySeconds=5), ALL, *pods)) == ["old-b"]


def test_nothing_rolls_while_a_node_lacks_its_pod() -> None:
    plan = decide(daemon_set(3), ALL, *old("a", "b"))
    assert (plan.create, deleted(plan)) == (["c"], [])


def test_by_hand_nothing_is_replaced() -> None:
    assert decide(daemon_set(strategy="OnDelete"), ALL, *old("a", "b", "c")) == Plan()


@pytest.mark.parametrize(
    ("surge", "pods", "create", "gone"),
    [
        (1, old("a", "b", "c"), ["a"], []),
        ("60%", old("a", "b", "c"), ["a", "b"], []),
        (1, [*old("a", "b", "c"), daemon("1", "a", ready_s=None)], [], []),
        (1, [*old("a", "b", "c"), daemon("1", "a")], [], ["old-a"]),
        (1, [daemon("1", "a"), *old("b", "c")], ["b"], []),
        (1, [daemon("old-a", "a", "old", ready_s=None), *old("b", "c")], ["a", "b"], []),
        (1, [daemon("old-a", "a", "old", ready_s=None), daemon("1", "a", ready_s=None), *old("b", "c")], [], ["old-a"]),
        (1, [daemon("1", "a", deleting=True), *old("b", "c")], ["a"], []),
        (1, [daemon("1", "a", age_s=9), daemon("2", "a", age_s=99), *old("b", "c")], [], ["1"]),
    ],
)
def test_with_surge_a_new_pod_comes_before_the_old_one_goes(
    surge: int | str, pods: list[Object], create: list[str], gone: list[str]
) -> None:
    plan = decide(daemon_set(0, surge), ALL, *pods)
    assert (plan.create, deleted(plan)) == (create, gone)


@pytest.mark.parametrize(("unavailable", "surge"), [(1, 0), (2, 0), (0, 1), (0, "100%")])
def test_a_rollout_comes_to_rest_and_keeps_its_promise(unavailable: int, surge: int | str) -> None:
    """Played by pods that become available only when nothing else is left to be done."""
    owner, pods = daemon_set(unavailable, surge), {meta.name(each): each for each in old("a", "b", "c")}
    for number in range(40):
        plan = decide(owner, ALL, *pods.values())
        fresh = {meta.name(each): each["spec"]["nodeName"] for each in pods.values() if "conditions" not in each["status"]}
        if not plan.create and not plan.delete:
            if not fresh:
                break
            pods |= {name: daemon(name, where) for name, where in fresh.items()}
        for name in deleted(plan):
            del pods[name]
        pods |= {f"n{number}-{where}": daemon(f"n{number}-{where}", where, ready_s=None) for where in plan.create}
        assert len({each["spec"]["nodeName"] for each in pods.values() if "conditions" in each["status"]}) >= 3 - unavailable
    else:
        raise AssertionError("it never comes to rest")
    assert sorted(each["spec"]["nodeName"] for each in pods.values()) == ["a", "b", "c"]
    assert {meta.labels(each)["controller-revision-hash"] for each in pods.values()} == {"new"}


def test_waits_double_up_to_a_bound_and_are_forgotten() -> None:
    backoff, now, waits = Backoff(), NOW, []
    for _ in range(14):
        backoff.note("uid", "a", now)
        waits.append(backoff.wait_s("uid", "a", now))
        now += waits[-1]
        assert backoff.wait_s("uid", "a", now) == 0
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == MOST_S
    assert backoff.wait_s("uid", "b", now) == 0
    backoff.note("other", "b", now + 3 * MOST_S)
    backoff.note("uid", "a", now + 3 * MOST_S)
    assert backoff.wait_s("uid", "a", now + 3 * MOST_S) == 1


def test_a_clock_that_was_set_back_does_not_lengthen_a_wait() -> None:
    backoff = Backoff()
    backoff.note("uid", "a", NOW)
    assert backoff.wait_s("uid", "a", NOW - 10_000) == 1
