"""What follows from a node's lease and conditions: its taints, and whether its pods may be trusted to be what they say.

Source: Kubernetes 1.36, node_lifecycle_controller.go; taint_eviction.go.
"""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.taints import tolerates

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_BY_CONDITION = {
    "MemoryPressure": ("True", "node.kubernetes.io/memory-pressure"),
    "DiskPressure": ("True", "node.kubernetes.io/disk-pressure"),
    "PIDPressure": ("True", "node.kubernetes.io/pid-pressure"),
    "NetworkUnavailable": ("True", "node.kubernetes.io/network-unavailable"),
}
OURS = frozenset((UNREACHABLE, NOT_READY, UNSCHEDULABLE, *(key for _, key in _BY_CONDITION.values())))
_FEW, _MOST = 2, 0.55
EVICTED: Object = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}
_HEARTBEATS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def readiness(node: Object) -> str:
    """ "True", "False" or "Unknown"."""
    found = meta.condition(node, "Ready")
    return "Unknown" if found is None else found.get("status", "Unknown")


def lost(node: Object, now: float) -> Object | None:
    """The status of a node that is not heard of any more; None when it says so already."""
    status = node.get("status") or {}
    conditions = list(status.get("conditions") or [])
    for type_ in _HEARTBEATS:
        old = next((each for each in conditions if each.get("type") == type_), None)
        if old is None:
            words = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
            heard = node["metadata"].get("creationTimestamp")
        elif old.get("status") != "Unknown":
            words = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
            heard = old.get("lastHeartbeatTime")
        else:
            continue
        new = {"type": type_, "status": "Unknown", "lastHeartbeatTime": heard, "reason": words[0], "message": words[1]}
        conditions = meta.with_condition(conditions, new, meta.rfc3339(now))
    return None if conditions == (status.get("conditions") or []) else status | {"conditions": conditions}


def is_disrupted(unready: int, nodes: int) -> bool:
    """Whether so many of the nodes are unready that the fault is more likely the network's or ours: all, or most of them and more than two.

    Pods that were moved then would fill the nodes that are left, and run twice where theirs are only cut off.
    Source: ComputeZoneState, for a cluster of up to 50 nodes in one zone; of larger ones upstream moves pods slowly.
    """
    return unready == nodes or (unready > _FEW and unready / nodes >= _MOST)


def tainted(node: Object, *, evicts: bool, now: float) -> Object | None:
    """The node with the taints that follow from its conditions; None when it has them.

    evicts: whether an unready node's pods are to go. Not when the cluster is disrupted.
    """
    spec = node.get("spec") or {}
    present = spec.get("taints") or []
    wanted = _wanted(node, evicts)
    kept = [each for each in present if each["key"] not in OURS or (each["key"], each["effect"]) in wanted]
    have = {(each["key"], each["effect"]) for each in kept}
    added = [_taint(key, effect, now) for key, effect in wanted if (key, effect) not in have]
    taints = kept + added
    if taints == present:
        return None
    return node | {"spec": {name: value for name, value in spec.items() if name != "taints"} | ({"taints": taints} if taints else {})}


def _wanted(node: Object, evicts: bool) -> list[tuple[str, str]]:
    found = []
    ready = readiness(node)
    if ready != "True":
        key = UNREACHABLE if ready == "Unknown" else NOT_READY
        found.append((key, "NoSchedule"))
        if evicts:
            found.append((key, "NoExecute"))
    if (node.get("spec") or {}).get("unschedulable"):
        found.append((UNSCHEDULABLE, "NoSchedule"))
    for type_, (bad, key) in _BY_CONDITION.items():
        condition = meta.condition(node, type_)
        if condition is not None and condition.get("status") == bad:
            found.append((key, "NoSchedule"))
    return found


def _taint(key: str, effect: str, now: float) -> Object:
    return {"key": key, "effect": effect, "timeAdded": meta.rfc3339(now)}


def distrusted(pod: Object, now: float) -> Object | None:
    """The status of a pod whose node is lost: not ready, whatever it said last; None when it says so already."""
    ready = meta.condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    status: Object = pod["status"]
    return status | {"conditions": meta.with_condition(status.get("conditions"), ready | {"status": "False"}, meta.rfc3339(now))}


def evicts(node: Object) -> bool:
    """Whether pods that do not tolerate its taints have to leave the node."""
    return any(taint.get("effect") == "NoExecute" for taint in (node.get("spec") or {}).get("taints") or ())


def eviction_time(pod: Object, taints: Sequence[Object], now: float) -> float | None:
    """When a pod has to leave because of NoExecute taints, as seconds since the epoch; None when it may stay."""
    times = []
    for taint in taints:
        if taint.get("effect") != "NoExecute":
            continue
        added = meta.parse_rfc3339(taint["timeAdded"]) if taint.get("timeAdded") else now
        stay_s = tolerated_s(pod, taint)
        if stay_s is not None:
            times.append(added + stay_s)
    return min(times, default=None)


def tolerated_s(pod: Object, taint: Object) -> float | None:
    """How long a pod tolerates a taint: 0 not at all, None for ever."""
    matching = [each for each in (pod.get("spec") or {}).get("tolerations") or () if tolerates(each, taint)]
    if not matching:
        return 0.0
    limits = [each["tolerationSeconds"] for each in matching if each.get("tolerationSeconds") is not None]
    return max(0.0, float(min(limits))) if limits else None
