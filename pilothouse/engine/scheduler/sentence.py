"""Upstream's sentence of why no node takes a pod."""

from collections import Counter
from collections.abc import Iterable

from pilothouse.engine.scheduler.framework.plugin import Unfit


def troubles_of(unfit: Unfit) -> list[str]:
    """Reasons that are the pod's own, whatever the node."""
    return sorted({reason for refusal in set(unfit.refusals.values()) if refusal.is_of_pod for reason in refusal.reasons})


def reasons_of(unfit: Unfit) -> "Counter[str]":
    """How many nodes have refused for which reason; a node may have several."""
    found: Counter[str] = Counter()
    # Refusals are few objects for many nodes.
    for refusal, count in Counter(unfit.refusals.values()).items():
        if refusal.is_of_pod:
            continue
        for reason in refusal.reasons:
            found[reason] += count
    return found


def no_node(reasons: "Counter[str]", total: int, troubles: Iterable[str] = ()) -> str:
    if not total:
        return "no nodes available to schedule pods"
    counted = sorted(f"{count} {reason}" for reason, count in reasons.items())
    return f"0/{total} nodes are available: {', '.join([*troubles, *counted])}."
