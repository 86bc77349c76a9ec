from typing import Any

from pilothouse.engine.controllers.podgc import plan
from pilothouse.model import meta
from tests.engine.controllers.objects import NOW, ago, pod


def node(ready: str, *taints: str) -> dict[str, Any]:
    return {"spec": {"taints": [{"key": key} for key in taints]}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_a_node_is_out_of_service_when_it_is_said_so_and_is_not_ready() -> None:
    assert plan.is_out_of_service(node("Unknown", plan.OUT_OF_SERVICE))
    assert not plan.is_out_of_service(node("True", plan.OUT_OF_SERVICE))
    assert not plan.is_out_of_service(node("False", "other"))


def test_evicted_pods_go_first_then_the_oldest() -> None:
    evicted = pod("evicted", phase="Failed", age_s=1)
    evicted["status"]["reason"] = "Evicted"
    found = [pod("young", phase="Succeeded", age_s=5), pod("old", phase="Failed", age_s=50), evicted]
    assert [meta.name(each) for each in plan.oldest_terminated(found, 2)] == ["evicted", "old"]


def test_a_pod_is_marked_as_failed_unless_it_has_ended() -> None:
    assert plan.failed(pod("a", phase="Succeeded"), plan.NODE_GONE, NOW) is None
    assert plan.failed(pod("a"), None, NOW) == {"phase": "Failed"}
    assert plan.failed(pod("a"), plan.NODE_GONE, NOW) == {
        "phase": "Failed",
        "conditions": [plan.NODE_GONE | {"lastTransitionTime": ago(0)}],
    }


def test_only_terminating_pods_without_a_node_are_unscheduled_garbage() -> None:
    assert plan.is_unscheduled_and_terminating(pod("a", node="", deleting=True))
    assert not plan.is_unscheduled_and_terminating(pod("a", node="n1", deleting=True))
    assert not plan.is_unscheduled_and_terminating(pod("a", node=""))
