"""Who made a route, as a number that the kernel keeps with it: by its own each part finds its routes again and leaves all others alone.

Source: rtnetlink(7), rtm_protocol; numbers below 100 and those of iproute2's rt_protos belong to others.
"""

TO_NODES = 114
"""By the addresses of other nodes."""
THROUGH_TUNNELS = 115
TO_PODS = 116
"""Of this node, and to what it answers for."""
ENCRYPTED = 117
"""Through WireGuard."""
