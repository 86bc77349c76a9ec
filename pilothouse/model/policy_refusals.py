"""What nodes say of packets that policies have refused: words of their Events, and where a NetworkPolicy shows them. Pure.

`kubectl describe` shows the annotations of a NetworkPolicy, and no Events of it.
"""

DROPPED, WOULD_DROP = "NetworkPolicyDropped", "NetworkPolicyWouldDrop"
REASONS = frozenset({DROPPED, WOULD_DROP})
SHOWN = {DROPPED: "network.pilothouse.dev/dropped", WOULD_DROP: "network.pilothouse.dev/would-have-dropped"}
"""Annotation of a NetworkPolicy by the reason of the Events that it gathers."""
REHEARSE = "network.pilothouse.dev/rehearse"
"""Annotation of a policy that counts what it would drop, and drops nothing, while it is "true"."""
