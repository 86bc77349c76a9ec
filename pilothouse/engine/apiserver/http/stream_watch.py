"""Watches over HTTP: events as lines of JSON, or as protobuf with their length in front, and an end for those who do not read.

All watchers of a resource get the same bytes. A reader that is more than `BOUND_BYTES` behind is cut off: it will come back and list, which
costs less than keeping its past. From then on it gets nothing more, since it resumes after the last event it has seen: an event after a
gap would hide the gap.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol

from pilothouse.aio.tasks import first_of, is_set
from pilothouse.engine.apiserver.answer import Stored
from pilothouse.engine.apiserver.http import tables
from pilothouse.engine.apiserver.http.backlog import Backlog
from pilothouse.engine.apiserver.http.frames import FrameCache
from pilothouse.engine.apiserver.http.respond import while_open
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, Accepted
from pilothouse.engine.apiserver.verbs.watch import BOOKMARK_EVERY_S, Feed
from pilothouse.model.errors import ApiError
from pilothouse.model.json import dumps
from pilothouse.wire.messages import Request
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.stream import Stream

BOUND_BYTES = 16 * 1024 * 1024
_BATCH = 32
_TYPES = {JSON: JSON, PROTOBUF: f"{PROTOBUF};stream=watch"}
_HEADERS = {media: (("cache-control", "no-cache, private"), ("content-type", type)) for media, type in _TYPES.items()}


class Start(Protocol):
    """The request of a watch: what its beginning may cost the others."""

    async def turn(self) -> None: ...
    async def charged(self, work: Callable[[], Coroutine[Any, Any, bool]]) -> bool: ...
    def release(self) -> None: ...


class Watcher:
    """One HTTP watch: encodes what its feed emits and writes it to its stream.

    start: holds a seat until the watch follows the store.
    """

    def __init__(
        self, feed: Feed, stream: Stream, accepted: Accepted, include: str, frames: FrameCache, backlog: Backlog, *, start: Start
    ) -> None:
        self._start = start
        self._feed = feed
        self._stream = stream
        self._accepted = accepted
        self._include = include
        self._frames = frames
        self._backlog = backlog
        self._columns_sent = False
        self._cut = asyncio.Event()

    async def run(self) -> None:
        """Raises Disconnected when the reader has been cut off."""
        try:
            async with asyncio.timeout(self._feed.timeout_s):
                await first_of(self._show(), self._until_cut(), *([self._pump()] if self._feed.awaits else []))
        except TimeoutError:
            return
        finally:
            self._feed.close()
            self._backlog.forget(self)

    @property
    def behind_bytes(self) -> int:
        return self._stream.buffered

    def cut_off(self) -> None:
        self._cut.set()

    async def _until_cut(self) -> None:
        await self._cut.wait()
        raise Disconnected("a watcher did not read what it was sent")

    async def _show(self) -> None:
        if await self._start.charged(self._begin):
            self._start.release()
            await self._stream.drain()
            await self._go_on()

    async def _begin(self) -> bool:
        """Whether the watch follows the store by now."""
        await self._show_initial()
        await self._feed.catch_up(self._write, self._let_others_go)
        try:
            self._feed.start(self._write)
        except ApiError as error:
            self._stream.write(self._frames.framed("ERROR", dumps(error.to_status())))
            return False
        return True

    async def _show_initial(self) -> None:
        records = self._feed.initial
        for start in range(0, len(records), _BATCH):
            for record in records[start : start + _BATCH]:
                self._write("ADDED", record)
            await self._let_others_go()
        self._feed.initial = []
        if self._feed.ends_initial:
            self._write("BOOKMARK", self._feed.bookmark(end_of_initial=True))

    async def _let_others_go(self) -> None:
        """And the reader catch up."""
        await self._stream.drain()
        await self._start.turn()

    async def _go_on(self) -> None:
        while not await is_set(self._feed.ended, BOOKMARK_EVERY_S):
            if self._feed.bookmarks:
                self._write("BOOKMARK", self._feed.bookmark())

    async def _pump(self) -> None:
        """The watch is over when its objects cannot be converted."""
        try:
            await self._feed.pump()
        except ApiError as error:
            self._stream.write(self._frames.framed("ERROR", dumps(error.to_status())))

    def _write(self, type: str, record: Stored) -> None:
        stream = self._stream
        if self._cut.is_set():
            return
        behind = stream.buffered
        if behind > BOUND_BYTES:
            self._cut.set()
            return
        shared, feed = not self._accepted.view, self._feed
        event = self._frames.frame(type, feed.served, record) if shared else self._frames.framed(type, self._view(type, record))
        stream.write(event)
        self._backlog.note(self, behind + len(event))

    def _view(self, type: str, record: Stored) -> bytes:
        served, accepted = self._feed.served, self._accepted
        if accepted.view != "Table":
            return dumps(tables.partial(record, accepted.version))
        if type == "BOOKMARK":
            metadata = record.value["metadata"]
            return dumps(tables.table(served, [], metadata, accepted.version, self._include, datetime.now(UTC), columns=False))
        columns, self._columns_sent = not self._columns_sent, True
        return dumps(tables.one_row(served, record, accepted.version, self._include, datetime.now(UTC), columns=columns))


async def serve(http: Request, feed: Feed, accepted: Accepted, include: str, frames: FrameCache, backlog: Backlog, request: Start) -> None:
    """Stream a watch to its end: its time is up, its history is gone, or its client is."""
    stream = http.stream(200, _HEADERS[accepted.media])
    watcher = Watcher(feed, stream, accepted, include, frames, backlog, start=request)
    await while_open(stream.closed(), watcher.run)
    await stream.finish()
