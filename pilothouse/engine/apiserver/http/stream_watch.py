"""Watches over HTTP: events as lines of JSON, the same bytes for all watchers of a resource, and an end for those who do not read.

A reader that is more than `BOUND_BYTES` behind is cut off: it will come back and list, which costs less than keeping its past.
From then on it gets nothing more, since it resumes after the last event it has seen: an event after a gap would hide the gap.
"""

import asyncio
from datetime import UTC, datetime

from pilothouse.aio.tasks import first_of
from pilothouse.engine.apiserver.answer import Stored
from pilothouse.engine.apiserver.http import tables
from pilothouse.engine.apiserver.http.backlog import Backlog
from pilothouse.engine.apiserver.http.frames import FrameCache, frame
from pilothouse.engine.apiserver.http.respond import while_open
from pilothouse.engine.apiserver.request.negotiate import JSON, Accepted
from pilothouse.engine.apiserver.verbs.watch import BOOKMARK_EVERY_S, Feed
from pilothouse.model.errors import ApiError
from pilothouse.model.json import dumps
from pilothouse.wire.messages import Request
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.stream import Stream

BOUND_BYTES = 32 * 1024 * 1024
_BATCH = 256
_HEADERS = (("cache-control", "no-cache, private"), ("content-type", JSON))


class Watcher:
    """One HTTP watch: encodes what its feed emits and writes it to its stream."""

    def __init__(self, feed: Feed, stream: Stream, accepted: Accepted, include: str, frames: FrameCache, backlog: Backlog) -> None:
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
                await first_of(self._show(), self._until_cut())
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
        await self._show_initial()
        await self._go_live()

    async def _show_initial(self) -> None:
        records = self._feed.initial
        for start in range(0, len(records), _BATCH):
            for record in records[start : start + _BATCH]:
                self._write("ADDED", record)
            await self._stream.drain()
        self._feed.initial = []
        if self._feed.ends_initial:
            self._write("BOOKMARK", self._feed.bookmark(end_of_initial=True))

    async def _go_live(self) -> None:
        try:
            self._feed.start(self._write)
        except ApiError as error:
            self._stream.write(frame("ERROR", dumps(error.to_status())))
            return
        await self._stream.drain()
        while True:
            await asyncio.sleep(BOOKMARK_EVERY_S)
            if self._feed.bookmarks:
                self._write("BOOKMARK", self._feed.bookmark())

    def _write(self, type: str, record: Stored) -> None:
        stream = self._stream
        if self._cut.is_set():
            return
        if stream.buffered > BOUND_BYTES:
            self._cut.set()
            return
        if not self._accepted.view:
            stream.write(self._frames.frame(type, self._feed.served, record))
        else:
            stream.write(frame(type, self._view(type, record)))
        self._backlog.note(self)

    def _view(self, type: str, record: Stored) -> bytes:
        served, accepted = self._feed.served, self._accepted
        if accepted.view != "Table":
            return dumps(tables.partial(record, accepted.version))
        if type == "BOOKMARK":
            metadata = record.value["metadata"]
            return dumps(tables.table(served, [], metadata, accepted.version, self._include, datetime.now(UTC), columns=False))
        columns, self._columns_sent = not self._columns_sent, True
        return dumps(tables.one_row(served, record, accepted.version, self._include, datetime.now(UTC), columns=columns))


async def serve(http: Request, feed: Feed, accepted: Accepted, include: str, frames: FrameCache, backlog: Backlog) -> None:
    """Stream a watch to its end: its time is up, its history is gone, or its client is."""
    stream = http.stream(200, _HEADERS)
    watcher = Watcher(feed, stream, accepted, include, frames, backlog)
    await while_open(stream, watcher.run)
    await stream.finish()
