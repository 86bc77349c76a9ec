"""A listening socket and its connections, on TCP (with or without TLS) or on a unix socket."""

import asyncio
import socket
import ssl
import stat
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.wire.acceptor import Acceptor
from pilothouse.wire.budget import Budget
from pilothouse.wire.connection import NEVER, Connection
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import BodyLimit, Handler
from pilothouse.wire.overload import CONNECTIONS, IDLE, Overload
from pilothouse.wire.stream import Flusher

GRACE_S = 10.0
_BACKLOG = 1024

_log = structlog.get_logger("wire")


class Server:
    """Owns every connection and every running handler until close() has returned. Made by `serve()`."""

    def __init__(self, handler: Handler, limits: Limits, path: Path | None, body_limit: BodyLimit | None = None) -> None:
        self.handler = handler
        self.limits = limits
        self.bodies = Budget(limits.held_bytes, limits.reserved_bytes)
        self.body_limit = body_limit or (lambda _: limits.body_bytes)
        self.loop = asyncio.get_running_loop()
        self.tasks = TaskSet()
        self.flusher = Flusher(self.loop)
        self.overload = Overload()
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._listener: asyncio.Server | Acceptor
        self._acceptor: Acceptor | None = None
        self._large: deque[Connection] = deque()
        self._idle: dict[str, dict[Connection, None]] = {}
        self._path = path
        self._inode = None if path is None else path.stat().st_ino
        self._shortest_s = min(limits.head_s, limits.body_s, limits.idle_s, limits.linger_s)
        self._timer = self.loop.call_later(self._shortest_s, self._sweep)

    @property
    def port(self) -> int:
        """The TCP port listened on; 0 for a unix socket."""
        address = self._listener.sockets[0].getsockname()
        return address[1] if isinstance(address, tuple) else 0

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def listen(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        def make() -> Connection:
            return Connection(self)

        if tls is not None:
            self._acceptor = self._listener = Acceptor(sock, tls, self.limits, make, self.overload)
        elif sock.family == socket.AF_UNIX:
            self._listener = await self.loop.create_unix_server(make, sock=sock, backlog=_BACKLOG)
        else:
            self._listener = await self.loop.create_server(make, sock=sock, backlog=_BACKLOG)

    async def close(self, grace_s: float = GRACE_S) -> None:
        """Stop accepting, end idle connections and streams, let requests finish within grace_s, then cut what is left."""
        self._listener.close()
        self._remove_socket_file()
        for connection in list(self._connections):
            connection.begin_close()
        end = self.loop.time() + grace_s
        await self.tasks.close(grace_s)
        await self._until_empty(end - self.loop.time())
        self._timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        await self._until_empty(1.0)
        if self._acceptor is not None:
            self._acceptor.let_go()

    def _remove_socket_file(self) -> None:
        """Unless another server has put its own in the place."""
        if self._path is not None and self._path.exists() and self._path.stat().st_ino == self._inode:
            self._path.unlink()

    async def _until_empty(self, timeout_s: float) -> None:
        self._empty.clear()
        if not self._connections:
            return
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._empty.wait()
        except TimeoutError:
            _log.debug("connections left at the end", count=len(self._connections))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    # What connections call.

    def admit(self, connection: Connection) -> bool:
        if len(self._connections) >= self.limits.connections:
            self.overload.note(CONNECTIONS, "", self.limits.connections)
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def reads_later(self, connection: Connection) -> None:
        """It has brought a large piece. One such connection goes on in each turn of the loop: decrypting takes time that is others' too."""
        if not self._large:
            self.loop.call_soon(self._read_large)
        self._large.append(connection)

    def _read_large(self) -> None:
        self._large.popleft().read_more()
        if self._large:
            self.loop.call_soon(self._read_large)

    def rests(self, connection: Connection, address: str) -> None:
        """It has nothing to do. Of too many from one address the one that has rested longest is closed: its client opens another."""
        resting = self._idle.setdefault(address, {})
        resting[connection] = None
        if len(resting) > self.limits.idle:
            oldest = next(iter(resting))
            self.works(oldest, address)
            oldest.abort()
            self.overload.note(IDLE, address, self.limits.idle)

    def works(self, connection: Connection, address: str) -> None:
        resting = self._idle.get(address)
        if resting is not None:
            resting.pop(connection, None)
            if not resting:
                del self._idle[address]

    def _sweep(self) -> None:
        now = self.loop.time()
        if self._acceptor is not None:
            self._acceptor.sweep(now)
        for connection in [found for found in self._connections if found.deadline < now]:
            connection.expired()
        self._timer = self.loop.call_later(sweep_pause(self._first_deadline() - now, self._shortest_s), self._sweep)

    def _first_deadline(self) -> float:
        first = min((each.deadline for each in self._connections), default=NEVER)
        return first if self._acceptor is None else min(first, self._acceptor.first_deadline())


def sweep_pause(left_s: float, shortest_s: float) -> float:
    """Seconds until the next sweep: soon enough that no deadline is missed by more than a quarter of the shortest time limit.

    left_s: until the first deadline that there is. shortest_s: one that is set from now on is at least so far away, so a server with
    nothing to time out does not look more often.
    """
    return max(min(max(left_s, shortest_s / 4), shortest_s), 0.01)


async def serve(
    handler: Handler,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    path: str | Path | None = None,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    body_limit: BodyLimit | None = None,
) -> Server:
    """Listen on host and port (0: any free one), or on the unix socket `path`, which only its owner may open.

    body_limit: asked before more than `Limits.stranger_bytes` of a body are kept; without it everybody may send `Limits.body_bytes`.

    Raises OSError when the address is taken.
    """
    place = None if path is None else Path(path)
    sock = _tcp_socket(host, port) if place is None else _unix_socket(place)
    server = Server(handler, Limits() if limits is None else limits, place, body_limit)
    await server.listen(sock, tls)
    return server


def _tcp_socket(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG)


def _unix_socket(path: Path) -> socket.socket:
    """Bind afresh: a socket file left by a process that died is replaced, anything else is not touched."""
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        # Nobody can connect before listen(). Not by the umask: that is the whole process's, whose threads are making files.
        path.chmod(0o600)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
