"""When a replica may begin to acknowledge, and after how many events it syncs what it receives. Pure."""

from pilothouse.platform.databases.inside.agent.gtid import count
from pilothouse.platform.databases.inside.agent.wanted import Wanted

NEAR = 20
"""Transactions that a replica may lack and acknowledge all the same while it receives them: taking another connection takes longer."""


def is_far_behind(wanted: Wanted, position: str) -> bool:
    """Whether a replica lacks so much of what its primary began with that commits would wait long for it, as each event is synced."""
    return count(wanted.handed) - count(position) > NEAR


def relay_sync(wanted: Wanted) -> int:
    """After how many events a replica that acknowledges syncs what it has received: each, but for a parameter."""
    found = {name.lower().replace("-", "_"): value for name, value in wanted.server.parameters.items()}.get("sync_relay_log", "")
    return int(found) if found.isdecimal() else 1
