"""Clients whose process is killed after so many writes: the last one counts, and its answer reaches nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from pilothouse.client.client import Client
from pilothouse.client.transport import Call, Socket, Transport, WatchEvent
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer


class Life:
    """writes: after how many it is over; 0: never."""

    def __init__(self, writes: int = 0) -> None:
        self.left = writes
        self.over = asyncio.Event()

    def spend(self) -> None:
        self.left -= 1
        if not self.left:
            self.over.set()


class MortalTransport:
    """Of a process with others of the same life. Implements `Transport`."""

    def __init__(self, inner: Transport, life: Life) -> None:
        self._inner = inner
        self._life = life

    async def call(self, call: Call) -> Any:
        await self._or_die()
        answer = await self._inner.call(call)
        if call.method != "GET":
            self._life.spend()
        await self._or_die()
        return answer

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        return self._inner.watch(call)

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._inner.stream(call)

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]:
        return self._inner.connect(call, subprotocols)

    async def close(self) -> None:
        await self._inner.close()

    async def _or_die(self) -> None:
        if self._life.over.is_set():
            await asyncio.Event().wait()


def mortal(server: ApiServer, user: User, life: Life) -> Client:
    return Client(MortalTransport(InProcessTransport(server, user), life), field_manager=user.name.rpartition(":")[2])
