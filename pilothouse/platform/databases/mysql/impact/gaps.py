"""For how long nothing can be written while a primary moves or starts anew (pure).

What the instance's own last move took counts; as long as there was none, a figure for a machine that is not overloaded.
"""

from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.impact import Impact

SWITCHOVER_S = 1.0
FAILOVER_S = 5.0
RESTART_S = 5.0
"""A server that is started anew, with an empty cache and nothing to recover. Nothing measures it."""


def switchover(instance: Object) -> Impact:
    return _as_last(instance, "switchover", SWITCHOVER_S)


def failover(instance: Object) -> Impact:
    return _as_last(instance, "failover", FAILOVER_S)


def restart() -> Impact:
    return Impact(read_only_seconds=RESTART_S)


def _as_last(instance: Object, kind: str, usual_s: float) -> Impact:
    move = (instance.get("status") or {}).get("move") or {}
    took = move.get("readOnlySeconds")
    if move.get("kind", "switchover") != kind or not move.get("finishedAt") or took is None:
        return Impact(read_only_seconds=usual_s)
    return Impact(read_only_seconds=round(float(took), 2), basis=f"the {kind} of {move['finishedAt']}")
