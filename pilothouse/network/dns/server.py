"""The sockets: DNS over UDP and over TCP on one address.

A question that the caches answer is answered in the callback that received it. Others become tasks, at most `MOST_WAITING` at a
time; when there are more, the newest is told to ask again (SERVFAIL), so that a dead upstream cannot fill the memory. No asker has more
than a part of these, nor of the connections: one pod takes the names away from itself alone.
"""

import asyncio
import contextlib
import struct
from collections import Counter
from collections.abc import Callable
from typing import cast

from pilothouse.aio.tasks import TaskSet
from pilothouse.network.dns import codec
from pilothouse.network.dns.resolver import Elsewhere, Resolver

MOST_WAITING, MOST_WAITING_OF_ONE = 1000, 200
MOST_CONNECTIONS, MOST_CONNECTIONS_OF_ONE = 200, 20
IDLE_S = 10.0

FREE_PORT_TRIES = 10


class Places:
    """How many of something each address has, within bounds for one and for all."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Whether there was one left; who has taken it gives it back."""
        if self._taken[address] >= self._most_of_one or self._taken.total() >= self._most:
            self._tidy(address)
            return False
        self._taken[address] += 1
        return True

    def give(self, address: str) -> None:
        self._taken[address] -= 1
        self._tidy(address)

    def _tidy(self, address: str) -> None:
        if self._taken[address] <= 0:
            del self._taken[address]


class DatagramServer(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver, tasks: TaskSet) -> None:
        self._resolver = resolver
        self._tasks = tasks
        self._places = Places(MOST_WAITING, MOST_WAITING_OF_ONE)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._resolver.answer(data, stream=False)
        if isinstance(answer, Elsewhere):
            answer = self._forward(answer, addr)
        if answer is not None:
            self._send(answer, addr)

    def error_received(self, exc: Exception) -> None:
        """An asker has gone before its answer came."""

    def _forward(self, elsewhere: Elsewhere, address: tuple[str, int]) -> bytes | None:
        if not self._places.take(address[0]):
            return codec.encode(elsewhere.question, codec.SERVFAIL, authoritative=False)
        self._tasks.start(self._ask(elsewhere, address))
        return None

    async def _ask(self, elsewhere: Elsewhere, address: tuple[str, int]) -> None:
        try:
            self._send(await self._resolver.ask(elsewhere, stream=False), address)
        finally:
            self._places.give(address[0])

    def _send(self, answer: bytes, address: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(answer, address)


class StreamServer:
    """One connection may carry many questions; they are answered in turn."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._places = Places(MOST_CONNECTIONS, MOST_CONNECTIONS_OF_ONE)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None or not self._places.take(peer[0]):
            writer.close()
            return
        try:
            while await self._answer_one(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self._places.give(peer[0])
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with asyncio.timeout(IDLE_S):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            message = await reader.readexactly(length)
        answer = self._resolver.answer(message, stream=True)
        if isinstance(answer, Elsewhere):
            answer = await self._resolver.ask(answer, stream=True)
        if answer is None:
            return False
        async with asyncio.timeout(IDLE_S):
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
        return True


Listening = tuple[asyncio.DatagramTransport, asyncio.Server]


async def listen(resolver: Resolver, tasks: TaskSet, address: str, port: int) -> Listening:
    """port 0: any that is free for both. Raises OSError when the address is taken or not there."""
    for _ in range(FREE_PORT_TRIES - 1 if port == 0 else 0):
        with contextlib.suppress(OSError):
            return await _listen(resolver, tasks, address, 0)
    return await _listen(resolver, tasks, address, port)


async def _listen(resolver: Resolver, tasks: TaskSet, address: str, port: int) -> Listening:
    loop = asyncio.get_running_loop()
    make: Callable[[], DatagramServer] = lambda: DatagramServer(resolver, tasks)  # noqa: E731
    transport, _ = await loop.create_datagram_endpoint(make, local_addr=(address, port))
    try:
        server = await asyncio.start_server(StreamServer(resolver).serve, address, transport.get_extra_info("sockname")[1])
    except OSError:
        transport.close()
        raise
    return transport, server
