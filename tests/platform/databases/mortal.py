"""Operators that are killed after each of their writes, one after the other, until there is nothing left to write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.transport import Call, Socket, Transport, WatchEvent
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.platform import rights
from tests.people import client_of, platform_part
from tests.platform.databases.live import Nodes, operator

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class OneWrite:
    """A transport of one who dies with the first write: when it is done, or when the next one begins. `died` is set then."""

    def __init__(self, inner: Transport, *, before_next: bool) -> None:
        self.died = asyncio.Event()
        self._inner = inner
        self._before_next = before_next
        self._written = 0

    async def call(self, call: Call) -> object:
        if call.method not in WRITES:
            return await self._inner.call(call)
        self._written += 1
        if self._written == 1:
            answer = await self._inner.call(call)
            if self._before_next:
                return answer
        self.died.set()
        # The dead say and hear nothing more.
        return await asyncio.get_running_loop().create_future()

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        return self._inner.watch(call)

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._inner.stream(call)

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]:
        return self._inner.connect(call, subprotocols)

    async def close(self) -> None:
        await self._inner.close()


class Line:
    """lives: how many operators there were."""

    def __init__(self, server: ApiServer, nodes: Nodes, *, before_next: bool) -> None:
        self.lives = 0
        self._server = server
        self._nodes = nodes
        self._before_next = before_next

    async def run(self) -> None:
        while True:
            self.lives += 1
            client = client_of(self._server, platform_part(rights.DATABASES))
            transport = OneWrite(client.transport, before_next=self._before_next)
            async with operator(self._server, self._nodes, client=Client(transport, field_manager=client.field_manager)):
                await transport.died.wait()


@asynccontextmanager
async def mortal_operators(server: ApiServer, nodes: Nodes, *, before_next: bool) -> AsyncIterator[Line]:
    line = Line(server, nodes, before_next=before_next)
    async with scope() as tasks:
        tasks.spawn(line.run())
        yield line
        tasks.cancel()
