"""How many nodes that fit are compared: more do not make a choice much better, and each costs.

Source: kubernetes pkg/scheduler/schedule_one.go (numFeasibleNodesToFind).
"""

LEAST, MOST = 100, 250
"""MOST: unless a percentage is asked for. Upstream compares up to a tenth of 5,000 nodes, on many threads; here each costs the next pod."""
_LEAST_PERCENT, _MOST_PERCENT = 5, 50
_NODES_FOR_A_PERCENT = 125


def enough(nodes: int, percentage: int = 0) -> int:
    """Of so many nodes. percentage: of them; 0: the fewer the more there are, from 50 to 5, and MOST."""
    if nodes <= LEAST or percentage >= 100:
        return nodes
    if percentage:
        return max(LEAST, nodes * percentage // 100)
    return min(MOST, max(LEAST, nodes * max(_LEAST_PERCENT, _MOST_PERCENT - nodes // _NODES_FOR_A_PERCENT) // 100))
