"""Who may have how many of the agent's connections.

Anybody whom the network lets come may connect, and is nobody until the handshake is done and a certificate shown. Such connections have a
number of their own, and when they are too many the oldest one of the peer that has most of them is ended: one peer that takes all that it
can get, and never says a word, keeps out itself. Those of the instance's own authority are not among them.
"""

import socket
import threading
from collections import Counter
from contextlib import suppress

MOST_KNOWN = 64
MOST_UNKNOWN = 32


class Room:
    """For all threads."""

    def __init__(self, most_known: int = MOST_KNOWN, most_unknown: int = MOST_UNKNOWN) -> None:
        self._lock = threading.Lock()
        self._most_known = most_known
        self._most_unknown = most_unknown
        self._known: set[socket.socket] = set()
        self._unknown: dict[socket.socket, str] = {}

    def enter(self, connection: socket.socket, peer: str) -> None:
        """peer: its address. Another connection may be ended for it."""
        with self._lock:
            if len(self._unknown) >= self._most_unknown:
                self._end_one()
            self._unknown[connection] = peer

    def recognize(self, connection: socket.socket) -> bool:
        """Its client has shown a certificate of the instance's own authority. False when there are too many of these."""
        with self._lock:
            if len(self._known) >= self._most_known:
                return False
            self._unknown.pop(connection, None)
            self._known.add(connection)
            return True

    def replace(self, connection: socket.socket, secured: socket.socket) -> None:
        """The same connection as another socket."""
        with self._lock:
            peer = self._unknown.pop(connection, None)
            if peer is not None:
                self._unknown[secured] = peer

    def leave(self, connection: socket.socket) -> None:
        with self._lock:
            self._unknown.pop(connection, None)
            self._known.discard(connection)

    def _end_one(self) -> None:
        """Its thread wakes and closes it."""
        most, _ = Counter(self._unknown.values()).most_common(1)[0]
        oldest = next(connection for connection, peer in self._unknown.items() if peer == most)
        del self._unknown[oldest]
        with suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)
