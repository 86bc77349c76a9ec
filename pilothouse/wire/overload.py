"""What is let go because too much comes at once: each is counted, and the log says so once a minute, since an attacker chooses how many."""

import time

import structlog

from pilothouse.aio.meters import Counter

LET_GO = Counter("pilothouse_connections_let_go_total", "Connections that were ended or refused because there was too much at once.", "why")
CONNECTIONS, IDLE, SILENT, HANDSHAKES, AHEAD, HELD = "connections", "idle", "silent", "handshakes", "ahead", "held"
_WHAT = {
    CONNECTIONS: "a new connection was refused: too many are open",
    IDLE: "an idle connection was closed: its address has too many of them",
    SILENT: "a connection that has sent nothing was closed: too many are",
    HANDSHAKES: "a new connection was closed: too many wait for their TLS handshake",
    AHEAD: "a connection was ended: too many requests were sent ahead of their answers",
    HELD: "a request was refused: too much of others is on its way",
}
_SAID_EVERY_S = 60.0

_log = structlog.get_logger("wire")


class Overload:
    """Of one server."""

    def __init__(self) -> None:
        self._said_at: dict[str, float] = {}

    def note(self, why: str, address: str, limit: int) -> None:
        """why: of those above. limit: the figure of `Limits` that was reached."""
        LET_GO.add(why)
        now = time.monotonic()
        if now - self._said_at.get(why, float("-inf")) >= _SAID_EVERY_S:
            self._said_at[why] = now
            _log.warning(_WHAT[why], address=address, limit=limit, so_far=int(LET_GO.value(why)))
