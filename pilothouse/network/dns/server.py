"""The sockets: DNS over UDP and over TCP, on one address of each IP family.

A question that the caches answer is answered in the callback that received it, and what has come meanwhile with it. Others become tasks,
at most `MOST_WAITING` at a time; when there are more, the newest is told to ask again (SERVFAIL), so that a dead upstream cannot fill the
memory. No asker has more than a part of these, nor of the connections: one pod takes the names away from itself alone.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.aio.places import Places
from pilothouse.aio.tasks import TaskSet
from pilothouse.network.dns import codec, metrics
from pilothouse.network.dns.resolver import Elsewhere, Resolver

MOST_WAITING, MOST_WAITING_OF_ONE = 1000, 200
MOST_CONNECTIONS, MOST_CONNECTIONS_OF_ONE = 200, 20
MOST_OF_CONNECTION = 16
"""Questions of one connection that wait for other servers; no more are read meanwhile. Source: RFC 7766 section 6.2.1.1 (pipelining)."""
IDLE_S = 10.0
BATCH, BATCH_S = 64, 0.002
"""Datagrams that are answered, and for how long, before the event loop goes on to others."""
LONGEST_QUESTION = 4096
RECEIVE_BYTES = 4 << 20
"""Of the socket's buffer, for questions that come while the loop is busy."""
_SO_RCVBUFFORCE = 33
FREE_PORT_TRIES = 10
UDP, TCP = "udp", "tcp"
Held = tuple[str, str]
"""Kind and address of a socket."""


class DatagramServer:
    """Owns the socket, which is bound and does not block."""

    def __init__(self, resolver: Resolver, tasks: TaskSet, places: Places, bound: socket.socket) -> None:
        self._resolver = resolver
        self._tasks = tasks
        self._places = places
        self._socket = bound
        self._family = 2 if bound.family == socket.AF_INET6 else 1
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(bound.fileno(), self._receive)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def again(self, message: bytes, asker: tuple[str, int]) -> None:
        """Answer a question that came to the server before this one."""
        answer = self._answered(message, asker)
        if answer is not None:
            self._send(answer, asker)

    def _receive(self) -> None:
        began, answered = time.perf_counter(), 0
        receive, quick, family = self._socket.recvfrom, self._resolver.quick, self._family
        for _ in range(BATCH):
            try:
                message, asker = receive(LONGEST_QUESTION)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # An asker has gone before its answer came.
            answer = quick(message, family, asker[0])
            if answer is None:
                answer = self._answered(message, asker)
            if answer is not None:
                self._send(answer, asker)
                answered += 1
            if time.perf_counter() - began > BATCH_S:
                break
        if answered:
            metrics.DURATION.observe(time.perf_counter() - began, times=answered)

    def _answered(self, message: bytes, asker: tuple[str, int]) -> bytes | None:
        """What is known at once; None when a task sends the answer, or nobody."""
        answer = self._resolver.answer(message, stream=False, asker=asker[0])
        return self._forward(answer, asker) if isinstance(answer, Elsewhere) else answer

    def _forward(self, elsewhere: Elsewhere, asker: tuple[str, int]) -> bytes | None:
        if not self._places.take(asker[0]):
            elsewhere.way.close()
            return codec.encode(elsewhere.question, codec.SERVFAIL, authoritative=False)
        self._tasks.start(self._ask(elsewhere, asker))
        return None

    async def _ask(self, elsewhere: Elsewhere, asker: tuple[str, int]) -> None:
        began = time.perf_counter()
        try:
            self._send(await self._resolver.ask(elsewhere, self._tasks), asker)
        finally:
            self._places.give(asker[0])
            metrics.DURATION.observe(time.perf_counter() - began)

    def _send(self, answer: bytes, asker: tuple[str, int]) -> None:
        # A full buffer or an asker that is gone: the answer is lost, and whoever still wants it asks again.
        with contextlib.suppress(OSError):
            self._socket.sendto(answer, asker)


class StreamServer:
    """One connection may carry many questions, and gets the answers as they come: each has the identifier of its question."""

    def __init__(self, resolver: Resolver, places: Places, waiting: Places) -> None:
        self._resolver = resolver
        self._places = places
        self._waiting = waiting
        self._turn = asyncio.Lock()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None or not self._places.take(peer[0]):
            writer.transport.abort()
            return
        tasks, is_done = TaskSet(), False
        try:
            connection = _Connection(self._resolver, reader, writer, peer[0], tasks, self._waiting, self._turn)
            while await connection.answer_one():
                pass
            await connection.finish()
            is_done = True
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            try:
                await tasks.close()
                if is_done:
                    await _close(writer)
            finally:
                # Who does not read what was written keeps neither the socket nor a place.
                writer.transport.abort()
                self._places.give(peer[0])


async def _close(writer: asyncio.StreamWriter) -> None:
    """Once what was written has been taken, or not taken in time."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(IDLE_S):
            await writer.wait_closed()


class _Connection:
    def __init__(
        self,
        resolver: Resolver,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asker: str,
        tasks: TaskSet,
        waiting: Places,
        turn: asyncio.Lock,
    ) -> None:
        self._resolver = resolver
        self._reader = reader
        self._writer = writer
        self._asker = asker
        self._tasks = tasks
        self._waiting = waiting
        self._turn = turn
        self._slots = asyncio.Semaphore(MOST_OF_CONNECTION)

    async def answer_one(self) -> bool:
        """False: no more will come, or what came is no question."""
        try:
            async with asyncio.timeout(IDLE_S):
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
                message = await self._reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return False
        async with self._turn:
            # One question of all connections, then everybody else: the next ones are in memory already, and none of them waits.
            began = time.perf_counter()
            answer = self._resolver.answer(message, stream=True, asker=self._asker)
            await asyncio.sleep(0)
        if answer is None:
            return False
        if isinstance(answer, Elsewhere):
            await self._forward(answer, began)
        else:
            await self._send(answer)
            metrics.DURATION.observe(time.perf_counter() - began)
        return True

    async def finish(self) -> None:
        """Who has closed one direction still gets what is under way."""
        for _ in range(MOST_OF_CONNECTION):
            await self._slots.acquire()

    async def _forward(self, elsewhere: Elsewhere, began: float) -> None:
        if not self._waiting.take(self._asker):
            elsewhere.way.close()
            await self._send(codec.encode(elsewhere.question, codec.SERVFAIL, authoritative=False))
            return
        try:
            await self._slots.acquire()
        except asyncio.CancelledError:
            self._waiting.give(self._asker)
            raise
        self._tasks.start(self._ask(elsewhere, began))

    async def _ask(self, elsewhere: Elsewhere, began: float) -> None:
        try:
            answer = await self._resolver.ask(elsewhere, self._tasks)
            with contextlib.suppress(OSError, TimeoutError):
                await self._send(answer)
        finally:
            self._slots.release()
            self._waiting.give(self._asker)
            metrics.DURATION.observe(time.perf_counter() - began)

    async def _send(self, answer: bytes) -> None:
        async with asyncio.timeout(IDLE_S):
            self._writer.write(struct.pack("!H", len(answer)) + answer)
            await self._writer.drain()


@dataclass(frozen=True, slots=True)
class Listening:
    """sockets: those that are listened on, for who is to hold them as well; they are the servers' own."""

    port: int
    datagrams: tuple[DatagramServer, ...]
    streams: tuple[asyncio.Server, ...]
    sockets: tuple[tuple[socket.socket, Held], ...] = ()

    def close(self) -> None:
        for datagram in self.datagrams:
            datagram.close()
        for stream in self.streams:
            stream.close()


async def listen(
    resolver: Resolver, tasks: TaskSet, addresses: Sequence[str], port: int, taken: Mapping[Held, socket.socket] | None = None
) -> Listening:
    """port 0: any that is free for all. taken: sockets of an earlier server, for the addresses that it had.

    Raises OSError when an address is taken or not there.
    """
    for _ in range(FREE_PORT_TRIES - 1 if port == 0 else 0):
        with contextlib.suppress(OSError):
            return await _listen(resolver, tasks, addresses, 0, {})
    return await _listen(resolver, tasks, addresses, port, taken or {})


async def _listen(
    resolver: Resolver, tasks: TaskSet, addresses: Sequence[str], port: int, taken: Mapping[Held, socket.socket]
) -> Listening:
    waiting, connections = Places(MOST_WAITING, MOST_WAITING_OF_ONE), Places(MOST_CONNECTIONS, MOST_CONNECTIONS_OF_ONE)
    async with contextlib.AsyncExitStack() as undo:
        datagrams, streams = [], []
        sockets: list[tuple[socket.socket, Held]] = []
        for address in addresses:
            bound = _at(taken.get((UDP, address)), port) or datagram_socket(address, port)
            port = bound.getsockname()[1]
            datagrams.append(DatagramServer(resolver, tasks, waiting, bound))
            undo.callback(datagrams[-1].close)
            listens = _at(taken.get((TCP, address)), port) or stream_socket(address, port)
            serve = StreamServer(resolver, connections, waiting).serve
            streams.append(await asyncio.start_server(serve, sock=listens, limit=2 * codec.STREAM_BYTES))
            undo.callback(streams[-1].close)
            sockets += [(bound, (UDP, address)), (listens, (TCP, address))]
        undo.pop_all()
        return Listening(port, tuple(datagrams), tuple(streams), tuple(sockets))


def _at(known: socket.socket | None, port: int) -> socket.socket | None:
    """A socket of its own for one that is taken over, if it has the port."""
    if known is None or known.getsockname()[1] != port:
        return None
    found = known.dup()
    found.setblocking(False)
    return found


def stream_socket(address: str, port: int) -> socket.socket:
    """Bound. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def datagram_socket(address: str, port: int) -> socket.socket:
    """Bound, and never blocking. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BYTES)
        except PermissionError:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
