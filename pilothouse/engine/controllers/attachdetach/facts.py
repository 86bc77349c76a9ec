"""Reads from objects what the plan of attaching needs. Pure."""

from collections.abc import Iterable

from pilothouse.engine.controllers.attachdetach.plan import Attachment, NodeState
from pilothouse.engine.controllers.podgc.plan import OUT_OF_SERVICE
from pilothouse.engine.controllers.pods import is_finished
from pilothouse.model import meta
from pilothouse.model.json import Object

_CONTAINERS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


def wants_volumes(pod: Object) -> bool:
    """Whether the pod's node may need its volumes: it has one, and the pod has not ended."""
    if not (pod.get("spec") or {}).get("nodeName") or is_finished(pod):
        return False
    return not meta.is_deleting(pod) or _runs(pod)


def _runs(pod: Object) -> bool:
    status = pod.get("status") or {}
    return any((each.get("state") or {}).get("running") for name in _CONTAINERS for each in status.get(name) or ())


def node_state(node: Object, volume: str) -> NodeState:
    """volume: its unique name."""
    status, taints = node.get("status") or {}, (node.get("spec") or {}).get("taints") or ()
    return NodeState(
        uses=volume in (status.get("volumesInUse") or ()),
        shows=volume in shown(node),
        is_ready=meta.is_true(node, "Ready"),
        is_out_of_service=any(taint.get("key") == OUT_OF_SERVICE for taint in taints),
    )


def shown(node: Object) -> list[str]:
    """Unique names of the volumes that the node's status lists as attached."""
    return [each.get("name") or "" for each in (node.get("status") or {}).get("volumesAttached") or ()]


def attachment(obj: Object, now: float) -> Attachment:
    """now: seconds since the epoch."""
    status = obj.get("status") or {}
    made = obj["metadata"].get("creationTimestamp")
    return Attachment(
        meta.name(obj),
        obj["spec"].get("nodeName") or "",
        bool(status.get("attached")),
        meta.is_deleting(obj),
        (status.get("attachError") or {}).get("message") or "",
        (status.get("detachError") or {}).get("message") or "",
        max(0.0, now - meta.parse_rfc3339(made)) if made else 0.0,
    )


def listed(names: Iterable[str]) -> list[Object]:
    """As a node's status lists attached volumes."""
    return [{"name": name, "devicePath": ""} for name in names]
