"""How far the nodes have come with what is set. Pure."""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.cluster_network import MOST_NAMED, why_not
from pilothouse.model.json import Object
from pilothouse.model.node_objects import is_simulated

APPLIED = "Applied"


def report(network: Object, nodes: Iterable[Object], now: str) -> Object:
    """The whole status. now: RFC 3339, for a condition that changes."""
    real = sorted((node for node in nodes if not is_simulated(node)), key=meta.name)
    reasons = {meta.name(node): why_not(network, node) for node in real}
    waiting = [{"node": name, "why": why} for name, why in reasons.items() if why]
    done = len(real) - len(waiting)
    status = {
        "observedGeneration": network["metadata"]["generation"],
        "nodes": len(real),
        "following": done,
        "progress": f"{done}/{len(real)}",
        "waiting": waiting[:MOST_NAMED],
    }
    return status | {"conditions": [_condition(network, waiting, now)]}


def _condition(network: Object, waiting: list[dict[str, str]], now: str) -> Object:
    status, reason, message = "True", "AllNodesFollow", f"all nodes reach each other by {network['spec']['backend']}"
    if waiting:
        first = waiting[0]
        others = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        status, reason, message = "False", "NodesDoNotFollow", f"{first['node']}: {first['why']}{others}"
    old = meta.condition(network, APPLIED) or {}
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    return {"type": APPLIED, "status": status, "reason": reason, "message": message[:1024], "lastTransitionTime": since or now}
