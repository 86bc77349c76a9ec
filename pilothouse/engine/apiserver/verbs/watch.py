"""Watch a collection: what is there (if asked for), then every change in the store's order.

A `Feed` turns store changes into events that a selector lets through: an object that starts to match is ADDED, one that ceases to
match is DELETED. It knows nothing of sockets; whoever consumes it gives a sink and cuts off readers that do not keep up.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.engine.apiserver.answer import Stored, Unstored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.engine.apiserver.verbs.list import collect
from pilothouse.engine.apiserver.verbs.listing import Filter, Page
from pilothouse.engine.store.errors import Compacted, FutureRevision
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.engine.store.watches import Selection, Watch
from pilothouse.model.errors import ApiError, Cause, Expired
from pilothouse.model.json import Object
from pilothouse.model.selector import parse_fields

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
BOOKMARK_EVERY_S = 60.0
_LEAST_TIMEOUT_S = 1800

Emit = Callable[[str, Stored], None]
"""Takes an event: its type and the object."""


@dataclass(slots=True, eq=False)
class Feed:
    """One accepted watch. since: the revision it starts after; initial: objects to show first."""

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
    _watch: Watch | None = None
    _emit: Emit | None = None

    def start(self, emit: Emit) -> None:
        """Replay what has happened since and go on live; raises Expired when that is no longer known."""
        self._emit = emit
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

    def bookmark(self, *, end_of_initial: bool = False) -> Stored:
        """An object with nothing but the revision up to which the watcher has seen everything."""
        metadata: Object = {"resourceVersion": str(max(self.store.revision, self.since))}
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
        if self.wanted.is_everything:
            emit(change.type, change.record)
            return
        kind, record = self._judge(change)
        if kind:
            emit(kind, record)

    def _judge(self, change: Change) -> tuple[str, Stored]:
        """The event that this change is to somebody who sees only what matches; "" for none."""
        previous, record = change.previous, change.record
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
    wanted = listing.filter_of(query, served)
    if request.name and request.target.deprecated_watch:
        wanted = listing.narrowed(wanted.labels, parse_fields(f"metadata.name={request.name}"))
    timeout = queries.integer(query, "timeoutSeconds")
    initial = _check_options(query)
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
    await _place(feed, request.option("resourceVersion"), initial, request.namespace)
    return feed


async def _place(feed: Feed, version: str, initial: bool | None, namespace: str) -> None:
    """Find where the watch begins: after a revision, or now, with everything that is there first."""
    if version not in ("", "0") and not initial:
        feed.since = listing.revision_number(version, _server_error)
        return
    found = await collect(feed.store, feed.served, namespace, feed.wanted, Page())
    feed.since = found.revision
    if initial is not False:
        feed.initial = found.records
        feed.ends_initial = initial is True and feed.bookmarks


def _server_error(message: str) -> ApiError:
    return ApiError(message, code=500, reason="")


def _check_options(query: queries.Query) -> bool | None:
    """sendInitialEvents; None when it is not given."""
    match = queries.first(query, "resourceVersionMatch")
    given = "sendInitialEvents" in query
    causes = []
    if match and not given:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden", text))
    if given and match != "NotOlderThan":
        text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden", text))
        if match:
            text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
            causes.append(Cause("resourceVersionMatch", "FieldValueNotSupported", text))
    if causes:
        raise queries.invalid_options("ListOptions", causes)
    return queries.boolean(query, "sendInitialEvents") if given else None
