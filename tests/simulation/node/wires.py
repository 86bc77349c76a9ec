"""What connects an agent with its container runtime and its API server: wires that are slow, fail before or after the work is done,
break, and are cut when the agent's process is killed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pilothouse.client.transport import Call, Socket, Transport, WatchEvent
from pilothouse.engine.node.runtime.seam import RuntimeEvent, RuntimeFailure
from pilothouse.model.errors import ApiError, Expired, Unavailable
from tests.simulation.fake_runtime import FakeRuntime


@dataclass(slots=True)
class Trouble:
    """after_s: how long until the failure is told. is_late: the work is done nevertheless. times: how often; None: until it is mended."""

    code: str = "UNAVAILABLE"
    after_s: float = 0.0
    is_late: bool = False
    times: int | None = None


@dataclass(slots=True)
class Troubles:
    """Of one wire. by_verb: "" stands for every verb. lag_s: of each call, before it arrives."""

    by_verb: dict[str, Trouble] = field(default_factory=dict)
    lag_s: float = 0.0

    @property
    def any(self) -> bool:
        return bool(self.by_verb) or self.lag_s > 0

    def take(self, verb: str) -> Trouble | None:
        key = verb if verb in self.by_verb else ""
        found = self.by_verb.get(key)
        if found is not None and found.times is not None:
            found.times -= 1
            if found.times <= 0:
                del self.by_verb[key]
        return found

    def mend(self) -> None:
        self.by_verb.clear()
        self.lag_s = 0.0


class Cut(asyncio.CancelledError):
    """The agent's process is no more: what still runs of it comes no further."""


class RuntimeWire:
    """A `Runtime` as one agent reaches it. Calls that are under way when it is cut go on in the runtime, or come to nothing."""

    def __init__(self, runtime: FakeRuntime, troubles: Troubles) -> None:
        self._runtime = runtime
        self._troubles = troubles
        self._is_cut = False
        self._goes_on = False

    def cut(self, *, goes_on: bool) -> None:
        self._is_cut, self._goes_on = True, goes_on

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        work = getattr(self._runtime, verb)

        async def called(*args: Any, **named: Any) -> Any:
            return await self._through(verb, work(*args, **named))

        return called

    async def _through(self, verb: str, work: Any) -> Any:
        trouble = self._troubles.take(verb)
        if self._is_cut or (trouble is not None and not trouble.is_late):
            work.close()
        self._alive()
        if trouble is not None and not trouble.is_late:
            await asyncio.sleep(trouble.after_s)
            raise RuntimeFailure(verb, "refused by the test", trouble.code)
        result = await self._done(work)
        self._alive()
        if trouble is not None:
            await asyncio.sleep(trouble.after_s)
            raise RuntimeFailure(verb, "done, and the answer was lost", trouble.code)
        return result

    async def _done(self, work: Any) -> Any:
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not (self._is_cut and self._goes_on):
                task.cancel()
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise

    def _alive(self) -> None:
        if self._is_cut:
            raise Cut

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        trouble = self._troubles.take("events")
        if trouble is not None:
            await asyncio.sleep(trouble.after_s)
            raise RuntimeFailure("Subscribe", "refused by the test", trouble.code)
        async for event in self._runtime.events():
            self._alive()
            yield event

    async def close(self) -> None:
        """The runtime itself goes on."""


class ApiWire:
    """A `Transport` as one agent reaches it. Verbs of its troubles: GET, POST, PATCH, DELETE, WATCH."""

    def __init__(self, server: Transport, troubles: Troubles) -> None:
        self._server = server
        self._troubles = troubles
        self._is_cut = False
        self._broken = asyncio.Event()

    def cut(self) -> None:
        self._is_cut = True

    def break_watches(self) -> None:
        self._broken.set()
        self._broken = asyncio.Event()

    def _alive(self) -> None:
        if self._is_cut:
            raise Cut

    async def _arrives(self, verb: str) -> Trouble | None:
        self._alive()
        if self._troubles.lag_s:
            await asyncio.sleep(self._troubles.lag_s)
        self._alive()
        trouble = self._troubles.take(verb)
        if trouble is not None and not trouble.is_late:
            await asyncio.sleep(trouble.after_s)
            raise _failure(trouble)
        return trouble

    async def call(self, call: Call) -> Any:
        trouble = await self._arrives(call.method)
        result = await self._server.call(call)
        self._alive()
        if trouble is not None:
            await asyncio.sleep(trouble.after_s)
            raise _failure(trouble)
        return result

    @asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        await self._arrives("WATCH")
        async with self._server.watch(call) as events:
            yield self._until_broken(events)

    async def _until_broken(self, events: AsyncIterator[WatchEvent]) -> AsyncIterator[WatchEvent]:
        broken = asyncio.ensure_future(self._broken.wait())
        coming: asyncio.Future[WatchEvent] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(_next(events))
                await asyncio.wait([coming, broken], return_when=asyncio.FIRST_COMPLETED)
                self._alive()
                if broken.done():
                    return
                if self._troubles.lag_s:
                    await asyncio.sleep(self._troubles.lag_s)
                try:
                    yield coming.result()
                except StopAsyncIteration:
                    return
        finally:
            broken.cancel()
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._server.stream(call)

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]:
        return self._server.connect(call, subprotocols)

    async def close(self) -> None:
        """The server itself goes on."""


async def _next(events: AsyncIterator[WatchEvent]) -> WatchEvent:
    return await anext(events)


def _failure(trouble: Trouble) -> ApiError:
    return Expired("too old resource version") if trouble.code == "EXPIRED" else Unavailable("refused by the test")
