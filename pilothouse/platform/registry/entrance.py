"""Connections over TLS from whoever reaches an address: strangers take no more of this process than a few handshakes.

A handshake costs some hundred kilobytes until it has failed or its time is up, and anybody on the network may begin one. Those beyond a
number, in all and from one address, are let go before theirs begins.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import NoReturn

import structlog

from pilothouse.aio.tasks import TaskSet, scope

log = structlog.get_logger("platform.registry")
HANDSHAKE_S = 10.0
HANDSHAKES, HANDSHAKES_EACH = 64, 16
"""Under way at once, in all and from one address."""
BACKLOG, PAUSE_S = 128, 0.1

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Closes what it is given."""


class Entrance:
    """context: of the server; may be changed while this runs. serve: is given the connections whose handshake has succeeded."""

    def __init__(self, context: ssl.SSLContext, serve: Serve) -> None:
        self._context = context
        self._serve = serve
        self._shaking: Counter[str] = Counter()
        self._tasks = TaskSet()

    async def run(self, addresses: list[str], port: int, ready: asyncio.Event) -> NoReturn:
        """Raises OSError while an address is not there. Connections end with this."""
        try:
            with ExitStack() as stack:
                listeners = [stack.enter_context(_listener(address, port)) for address in addresses]
                ready.set()
                async with scope() as tasks:
                    for listener in listeners:
                        tasks.spawn(self._accept(listener), name="registry for nodes")
        finally:
            await self._tasks.close()
        raise AssertionError("nothing ends the loops")

    async def _accept(self, listener: socket.socket) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("a connection cannot be taken", error=str(error))
                await asyncio.sleep(PAUSE_S)
                continue
            host = str(peer[0])
            if self._shaking.total() >= HANDSHAKES or self._shaking[host] >= HANDSHAKES_EACH:
                connection.close()
                continue
            self._shaking[host] += 1
            self._tasks.start(self._begin(connection, host))

    async def _begin(self, connection: socket.socket, host: str) -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except OSError:  # SSLError and TimeoutError among them
            connection.close()
            return
        finally:
            self._shaking[host] -= 1
            if not self._shaking[host]:
                del self._shaking[host]
        await self._serve(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def _listener(address: str, port: int) -> socket.socket:
    """Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
