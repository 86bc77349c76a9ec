"""Watch a collection: what is there (if asked for), then every change in the store's order.

A `Feed` turns store changes into events that a selector lets through: an object that starts to match is ADDED, one that ceases to
match is DELETED. It knows nothing of sockets; whoever consumes it gives a sink and cuts off readers that do not keep up.
Objects that a webhook has to convert go through a queue of the feed's own (`pump`), so that nobody else waits for the webhook.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.engine.apiserver.answer import Stored, Unstored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.engine.apiserver.verbs.list import Turn, collect
from pilothouse.engine.apiserver.verbs.listing import Filter, Page, server_error
from pilothouse.engine.store.errors import Compacted, FutureRevision
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.store import Store
from pilothouse.engine.store.watches import Selection, Watch
from pilothouse.model.errors import Expired
from pilothouse.model.json import Object
from pilothouse.model.selector import parse_fields

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
BOOKMARK_EVERY_S = 60.0
_LEAST_TIMEOUT_S = 1800
MOST_PENDING = 10_000
"""Changes that wait for their conversion; a watcher for whom there are more has to list again."""
_AT_A_TIME = 500
_REPLAYED_BYTES = 512 * 1024
"""Of objects that are shown to a watcher, or judged for it, before others have a turn."""

Emit = Callable[[str, Stored], None]
"""Takes an event: its type and the object."""


@dataclass(slots=True, eq=False)
class Feed:
    """One accepted watch. since: the revision it starts after; initial: objects to show first, as its version shows them.

    ended: set when the resource is not served any more, or otherwise: the watch is over. when_closed: called once, at its end.
    """

    store: Store
    served: ServedResource
    prefix: str
    wanted: Filter
    since: int
    timeout_s: float
    bookmarks: bool = False
    ends_initial: bool = False
    initial: list[Any] = field(default_factory=list)
    selection: Selection | None = None
    when_closed: Callable[[], None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _watch: Watch | None = None
    _emit: Emit | None = None
    _pending: deque[Change] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _emitted: int = 0
    _is_overrun: bool = False

    @property
    def awaits(self) -> bool:
        """Whether `pump` has to run for events to come."""
        return self.served.shape is not None and self.served.shape.awaits

    async def catch_up(self, emit: Emit, turn: Turn) -> None:
        """Replay what has happened since, in parts, until what is left is for `start`. turn: awaited between parts."""
        self._emit = emit
        self._emitted = self.since
        while True:
            try:
                changes, reached = self.store.changes(self.prefix, self.since, _REPLAYED_BYTES)
            except (Compacted, FutureRevision):
                return
            if reached == self.store.revision:
                return
            for change in changes:
                self._take(change)
            self.since = reached
            await turn()

    def start(self, emit: Emit) -> None:
        """Replay what has happened since and go on live; raises Expired when that is no longer known."""
        self._emit = emit
        if not self._pending:
            self._emitted = self.since
        self.served.ended.add(self.ended.set)
        if not self.served.is_current:
            self.ended.set()
        try:
            self._watch = self.store.watch(self.prefix, self.since, self._take, selection=self.selection)
        except Compacted as error:
            raise Expired(f"too old resource version: {self.since} ({self.store.compacted})") from error
        except FutureRevision:
            self._watch = self.store.watch(self.prefix, self.store.revision, self._take_later, selection=self.selection)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._emit = None
        self._pending.clear()
        self.served.ended.discard(self.ended.set)
        if self.when_closed is not None:
            self.when_closed()
            self.when_closed = None

    def bookmark(self, *, end_of_initial: bool = False) -> Stored:
        """An object with nothing but the revision up to which the watcher has seen everything."""
        seen = self._emitted if self._pending else self.store.revision
        metadata: Object = {"resourceVersion": str(max(seen, self.since))}
        if end_of_initial:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        return Unstored({"metadata": metadata})

    def _take_later(self, change: Change) -> None:
        """Of a watch from a revision that is yet to come: pass what happens after it."""
        if change.revision > self.since:
            self._take(change)

    def _take(self, change: Change) -> None:
        emit = self._emit
        if emit is None:
            return
        if self.awaits:
            self._put_off(change)
        elif self.served.shape is not None:
            self._tell(change, self._ready(change.record), self._ready(change.previous))
        elif self.wanted.is_everything:
            emit(change.type, change.record)
        else:
            self._tell(change, change.record, change.previous)

    def _ready(self, record: Record | None) -> Any:
        shape = self.served.shape
        return None if record is None or shape is None else shape.ready(record)

    def _put_off(self, change: Change) -> None:
        """After one that found no room nothing is taken: an event behind a gap would hide the gap."""
        if self._is_overrun or len(self._pending) >= MOST_PENDING:
            self._is_overrun = True
        else:
            self._pending.append(change)
        self._wake.set()

    async def pump(self) -> None:
        """Convert and emit what is put off, in its order, until it is cancelled. Raises ApiError: the watch is over then."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                changes = [self._pending[at] for at in range(min(len(self._pending), _AT_A_TIME))]
                await self._emit_converted(changes)
            if self._is_overrun:
                raise Expired(f"too old resource version: {self._emitted} ({self.store.revision})")

    async def _emit_converted(self, changes: list[Change]) -> None:
        """What a change was before counts for selectors alone."""
        with_previous = not self.wanted.is_everything
        wanted = [change.record for change in changes]
        wanted += [change.previous for change in changes if with_previous and change.previous is not None]
        found = await self.served.shown(wanted)
        shown = {id(record): each for record, each in zip(wanted, found, strict=True)}
        for change in changes:
            self._tell(change, shown[id(change.record)], shown.get(id(change.previous)))
            self._emitted = change.revision
            self._pending.popleft()

    def _tell(self, change: Change, record: Stored, previous: Stored | None) -> None:
        """record, previous: as the version shows them."""
        if self._emit is None:
            return
        if self.wanted.is_everything:
            self._emit(change.type, record)
            return
        kind, told = self._judge(change, record, previous)
        if kind:
            self._emit(kind, told)

    def _judge(self, change: Change, record: Stored, previous: Stored | None) -> tuple[str, Stored]:
        """The event that this change is to somebody who sees only what matches; "" for none."""
        was = previous is not None and self.wanted.matches(self.served, previous.value)
        matches = change.type != "DELETED" and self.wanted.matches(self.served, record.value)
        if was and matches:
            return "MODIFIED", record
        if matches:
            return "ADDED", record
        if not was or previous is None:
            return "", record
        if change.type == "DELETED":
            return "DELETED", record
        metadata = previous.value["metadata"] | {"resourceVersion": str(change.revision)}
        return "DELETED", Unstored(previous.value | {"metadata": metadata})


async def watch(backend: Backend, request: ApiRequest, served: ServedResource) -> Feed:
    """Raises BadRequest, Invalid, ApiError 500 before anything is streamed."""
    query = request.query
    wanted = await listing.filter_of_request(backend, request, served)
    if request.name and request.target.deprecated_watch:
        wanted = listing.narrowed(wanted.labels, parse_fields(f"metadata.name={request.name}"))
    timeout = queries.integer(query, "timeoutSeconds")
    initial = listing.watch_begins_with_all(query)
    feed = Feed(
        backend.store,
        served,
        wanted.scope(served, request.namespace),
        wanted,
        0,
        float(timeout) if timeout else _LEAST_TIMEOUT_S * (1 + random.random()),
        queries.boolean(query, "allowWatchBookmarks"),
        selection=wanted.selection(served),
    )
    await _place(feed, request, initial)
    return feed


async def _place(feed: Feed, request: ApiRequest, initial: bool | None) -> None:
    """Find where the watch begins: after a revision, or now, with everything that is there first."""
    version = request.option("resourceVersion")
    if version not in ("", "0") and not initial:
        feed.since = listing.revision_number(version, server_error)
        return
    found = await collect(feed.store, feed.served, request.namespace, feed.wanted, Page(), turn=request.turn)
    feed.since = found.revision
    if initial:
        feed.initial = found.records
        feed.ends_initial = feed.bookmarks
