"""Connections that are over for us: what their peers still send is swallowed for a moment.

Closed at once, with bytes that nobody has read, the kernel would reset them, and the peer might lose the answer that it is about to read.
"""

import asyncio
import math
import socket
from collections import OrderedDict

_SWALLOWED_AT_ONCE = 64 * 1024


class Lingering:
    """Owns the sockets given to it. linger_s: how long each may take; limit: so many at a time, then the oldest goes."""

    def __init__(self, linger_s: float, limit: int) -> None:
        self._linger_s = linger_s
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._deadlines: OrderedDict[socket.socket, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._deadlines)

    def add(self, sock: socket.socket) -> None:
        """Nothing more is sent; its peer learns that, and mostly closes."""
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()
            return
        if len(self._deadlines) >= self._limit:
            self._drop(next(iter(self._deadlines)))
        self._deadlines[sock] = self._loop.time() + self._linger_s
        self._loop.add_reader(sock.fileno(), self._swallow, sock)

    def sweep(self, now: float) -> None:
        while self._deadlines and (first := next(iter(self._deadlines.items())))[1] < now:
            self._drop(first[0])

    def first_deadline(self) -> float:
        return next(iter(self._deadlines.values()), math.inf)

    def close(self) -> None:
        for sock in tuple(self._deadlines):
            self._drop(sock)

    def _swallow(self, sock: socket.socket) -> None:
        try:
            is_over = not sock.recv(_SWALLOWED_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            is_over = True
        if is_over:
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        del self._deadlines[sock]
        self._loop.remove_reader(sock.fileno())
        sock.close()
