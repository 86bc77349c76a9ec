"""How many nodes that fit are compared: more do not make a choice much better, and each costs.

Source: kubernetes pkg/scheduler/schedule_one.go (numFeasibleNodesToFind).
"""

LEAST = 100
_LEAST_PERCENT, _MOST_PERCENT = 5, 50
_NODES_FOR_A_PERCENT = 125


def enough(nodes: int, percentage: int = 0) -> int:
    """Of so many nodes. percentage: of them; 0: the fewer the more there are, from 50 to 5."""
    if nodes <= LEAST or percentage >= 100:
        return nodes
    percent = percentage or max(_LEAST_PERCENT, _MOST_PERCENT - nodes // _NODES_FOR_A_PERCENT)
    return max(LEAST, nodes * percent // 100)
