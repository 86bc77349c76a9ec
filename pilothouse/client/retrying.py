"""Reads that go on through an outage of the API server.

A control plane that is started again is gone for seconds; what somebody waits for meanwhile goes on without it. Writes are not
repeated: whether one was carried out is for its sender to find out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from pilothouse.aio.backoff import Backoff
from pilothouse.client.transport import Call, Socket, Transport, WatchEvent
from pilothouse.model.errors import Timeout, Unavailable

OUTAGE_S = 120.0


class RetryingTransport:
    """A `client.transport.Transport` over another one, which stays its owner's to close.

    outage_s: how long an outage may last until a read raises what the transport raised. on_outage: called with each failure that is
    followed by another try.
    """

    def __init__(
        self, inner: Transport, *, outage_s: float = OUTAGE_S, on_outage: Callable[[Exception], None] = lambda error: None
    ) -> None:
        self._inner = inner
        self._outage_s = outage_s
        self._on_outage = on_outage

    async def call(self, call: Call) -> Any:
        if call.method != "GET":
            return await self._inner.call(call)
        clock = asyncio.get_running_loop().time
        deadline, pauses = clock() + self._outage_s, Backoff(0.1, cap_s=2.0, jitter=0.2)
        while True:
            try:
                return await self._inner.call(call)
            except (Unavailable, Timeout) as error:
                pause_s = pauses.next_s()
                if clock() + pause_s >= deadline:
                    raise
                self._on_outage(error)
            await asyncio.sleep(pause_s)

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        return self._inner.watch(call)

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._inner.stream(call)

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]:
        return self._inner.connect(call, subprotocols)

    async def close(self) -> None:
        """Nothing: see the class."""
