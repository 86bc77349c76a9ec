"""Upstream's sentence of why no node takes a pod."""

from collections import Counter

from pilothouse.engine.scheduler.framework.plugin import Unfit


def reasons_of(unfit: Unfit) -> "Counter[str]":
    """How many nodes have refused for which reason; a node may have several."""
    found: Counter[str] = Counter()
    # Refusals are few objects for many nodes.
    for refusal, count in Counter(unfit.refusals.values()).items():
        for reason in refusal.reasons:
            found[reason] += count
    return found


def no_node(reasons: "Counter[str]", total: int) -> str:
    if not total:
        return "no nodes available to schedule pods"
    counted = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{total} nodes are available: {counted}."
