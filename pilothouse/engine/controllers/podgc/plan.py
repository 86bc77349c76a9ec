"""Which pods are garbage, and what is noted on one before it goes (pure).

Source: Kubernetes 1.36, pkg/controller/podgc/gc_controller.go.
"""

from collections.abc import Iterable

from pilothouse.engine.controllers import pods
from pilothouse.model import meta
from pilothouse.model.json import Object

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
TERMINATED_KEPT = 12_500
BURST = 500
"""Pods that are deleted in one round."""
NODE_GONE: Object = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByPodGC",
    "message": "PodGC: node no longer exists",
}


def is_out_of_service(node: Object) -> bool:
    """Whether somebody has said that the node is off for good, and it is not ready: its containers do not run any more."""
    taints = (node.get("spec") or {}).get("taints") or ()
    return not meta.is_true(node, "Ready") and any(each.get("key") == OUT_OF_SERVICE for each in taints)


def is_unscheduled_and_terminating(pod: Object) -> bool:
    return meta.is_deleting(pod) and not pods.node(pod)


def oldest_terminated(terminated: Iterable[Object], count: int) -> list[Object]:
    """Those that go first: evicted ones, then by age."""

    def rank(pod: Object) -> tuple[bool, str, str]:
        is_evicted = pods.phase(pod) == "Failed" and pod["status"].get("reason") == "Evicted"
        return (not is_evicted, pod["metadata"].get("creationTimestamp") or "", meta.name(pod))

    return sorted(terminated, key=rank)[:count]


def failed(pod: Object, condition: Object | None, now: float) -> Object | None:
    """The change of the status that makes it one of a pod that has ended; None where it is that already."""
    if pods.is_finished(pod):
        return None
    if condition is None:
        return {"phase": "Failed"}
    old = meta.condition(pod, condition["type"])
    stands = old is not None and old.get("status") == condition["status"] and old.get("lastTransitionTime")
    return {
        "phase": "Failed",
        "conditions": [condition | {"lastTransitionTime": old["lastTransitionTime"] if old and stands else meta.rfc3339(now)}],
    }
