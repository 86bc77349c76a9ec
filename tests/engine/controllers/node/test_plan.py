from typing import Any

import pytest

from pilothouse.engine.controllers.node import plan
from tests.engine.controllers.objects import NOW, ago, pod


def node(ready: str = "True", **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "lastHeartbeatTime": ago(60), "lastTransitionTime": ago(600)}]
    return {"metadata": {"name": "n1", "creationTimestamp": ago(1000)}, "spec": spec, "status": {"conditions": conditions}}


def taints(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    assert found is not None
    return [(each["key"], each["effect"]) for each in found["spec"].get("taints", [])]


def test_a_silent_node_becomes_unknown_in_every_heartbeat_condition() -> None:
    status = plan.lost(node(), NOW)
    assert status is not None
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "Unknown",
        "MemoryPressure": "Unknown",
        "DiskPressure": "Unknown",
        "PIDPressure": "Unknown",
    }
    assert plan.lost(node() | {"status": status}, NOW + 60) is None


def test_an_unready_node_is_tainted_and_a_ready_one_freed() -> None:
    tainted = plan.tainted(node("Unknown"), evicts=True, now=NOW)
    assert taints(tainted) == [(plan.UNREACHABLE, "NoSchedule"), (plan.UNREACHABLE, "NoExecute")]
    assert tainted is not None
    freed = plan.tainted(node("True", taints=tainted["spec"]["taints"]), evicts=True, now=NOW)
    assert taints(freed) == []


def test_taints_of_others_stay() -> None:
    other = {"key": "gpu", "effect": "NoSchedule"}
    assert taints(plan.tainted(node("False", taints=[other]), evicts=False, now=NOW)) == [
        ("gpu", "NoSchedule"),
        (plan.NOT_READY, "NoSchedule"),
    ]


def test_nothing_is_evicted_when_all_nodes_are_lost() -> None:
    assert (plan.UNREACHABLE, "NoExecute") not in taints(plan.tainted(node("Unknown"), evicts=False, now=NOW))


def test_a_cordoned_node_is_tainted() -> None:
    assert taints(plan.tainted(node(unschedulable=True), evicts=True, now=NOW)) == [(plan.UNSCHEDULABLE, "NoSchedule")]


def test_a_node_that_is_as_it_should_be_is_left_alone() -> None:
    assert plan.tainted(node(), evicts=True, now=NOW) is None


def test_a_lost_nodes_pod_is_not_ready_any_more() -> None:
    status = plan.distrusted(pod("a", ready_s=50), NOW)
    assert status is not None
    assert status["conditions"][0]["status"] == "False"
    assert plan.distrusted(pod("a") | {"status": status}, NOW) is None


NO_EXECUTE = {"key": plan.UNREACHABLE, "effect": "NoExecute", "timeAdded": ago(100)}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (None, NOW - 100),
        ({"key": plan.UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}, NOW + 200),
        ({"key": plan.UNREACHABLE, "operator": "Exists"}, None),
        ({"operator": "Exists"}, None),
        ({"key": plan.NOT_READY, "operator": "Exists"}, NOW - 100),
        ({"key": plan.UNREACHABLE, "operator": "Equal", "value": "x"}, NOW - 100),
    ],
)
def test_a_pod_leaves_a_tainted_node_when_its_toleration_ends(toleration: dict[str, Any] | None, expected: float | None) -> None:
    found = pod("a")
    found["spec"]["tolerations"] = [] if toleration is None else [toleration]
    assert plan.eviction_time(found, [NO_EXECUTE], NOW) == expected


@pytest.mark.parametrize(
    ("unready", "ready", "disrupted"),
    [(1, 0, True), (1, 1, False), (2, 1, False), (3, 1, True), (3, 2, True), (3, 3, False), (5, 4, True), (5, 5, False)],
)
def test_pods_stay_where_they_are_while_most_nodes_are_lost_at_once(unready: int, ready: int, disrupted: bool) -> None:
    assert plan.is_disrupted(unready, unready + ready) == disrupted


def test_a_taint_that_only_keeps_pods_away_evicts_none() -> None:
    assert plan.eviction_time(pod("a"), [NO_EXECUTE | {"effect": "NoSchedule"}], NOW) is None


def test_only_taints_that_drive_pods_out_make_their_time_run_out() -> None:
    def tainted(*effects: str) -> dict[str, Any]:
        return {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "k", "effect": effect} for effect in effects]}}

    assert not plan.evicts({"metadata": {"name": "n"}})
    assert not plan.evicts(tainted("NoSchedule", "PreferNoSchedule"))
    assert plan.evicts(tainted("NoSchedule", "NoExecute"))
