"""List a collection, whole or page by page, as of now or as of a revision.

Pages of one listing all show the same revision. A selector with one exact name reads that one object.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any

from pilothouse.engine.apiserver.answer import ListResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.engine.apiserver.verbs.listing import Filter, Page
from pilothouse.engine.store.errors import Compacted, FutureRevision
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.snapshot import Snapshot
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Expired, Timeout

_FUTURE_WAIT_S = 3.0
_SLICE, _SLICE_BYTES = 128, 512 * 1024
"""Of objects that are looked into before others have a turn: so many, or one beyond so much JSON."""
_PAGE = 500
"""Of objects that a webhook has to convert: as many as one call takes."""
Turn = Callable[[], Awaitable[None]]


async def list_objects(backend: Backend, request: ApiRequest, served: ServedResource) -> ListResponse:
    wanted = await listing.filter_of_request(backend, request, served)
    prefix = served.scope(request.namespace)
    page = listing.page_of(request.query, prefix)
    queries.integer(request.query, "timeoutSeconds")
    return await collect(backend.store, served, request.namespace, wanted, page, turn=request.turn)


async def collect(store: Store, served: ServedResource, namespace: str, wanted: Filter, page: Page, *, turn: Turn) -> ListResponse:
    """turn: awaited between slices of objects that are looked into. Raises Expired, Timeout."""
    if page.revision is not None:
        await wait_for(store, page.revision)
    revision = page.revision if page.exact and page.revision is not None else store.revision
    if served.shape is not None:
        return await _as_shown(store, served, namespace, wanted, page, revision, turn)
    snapshot = _snapshot(store, wanted.scope(served, namespace), page, revision)
    if wanted.is_everything:
        found = snapshot.walk(page.start)
        shown = list(found) if not page.limit else list(islice(found, page.limit))
        is_all = not page.limit or len(shown) < page.limit or next(found, None) is None
    else:
        shown = await _filtered(list(snapshot.walk(page.start)), served, wanted, page.limit + 1 if page.limit else 0, turn)
        is_all = not page.limit or len(shown) <= page.limit
        shown = shown[: page.limit] if page.limit else shown
    if is_all:
        return ListResponse(served, shown, revision)
    return _page(served, namespace, wanted, shown, shown[-1].key, snapshot, revision)


def _page(
    served: ServedResource, namespace: str, wanted: Filter, shown: list[Any], last: str, snapshot: Snapshot, revision: int
) -> ListResponse:
    """A page after which there is more. last: the key of its last object."""
    resume = listing.encode_token(revision, last, served.scope(namespace))
    remaining = snapshot.count(listing.after(last)) if wanted.is_everything else None
    return ListResponse(served, shown, revision, resume, remaining)


async def _filtered(records: list[Record], served: ServedResource, wanted: Filter, enough: int, turn: Turn) -> list[Record]:
    """Those that match, until there are enough; 0 for all."""
    found: list[Record] = []
    for at, part in enumerate(_slices(records)):
        if at:
            await turn()
        found += [record for record in part if wanted.finds(served, record)]
        if enough and len(found) >= enough:
            return found[:enough]
    return found


def _slices(records: list[Record]) -> Iterator[list[Record]]:
    start = size_bytes = 0
    for at, record in enumerate(records):
        if at - start == _SLICE or size_bytes > _SLICE_BYTES:
            yield records[start:at]
            start, size_bytes = at, 0
        size_bytes += len(record.raw)
    yield records[start:]


async def _as_shown(
    store: Store, served: ServedResource, namespace: str, wanted: Filter, page: Page, revision: int, turn: Turn
) -> ListResponse:
    """Of objects that may have to be converted before a selector can judge them: in slices, so that nobody is held up."""
    scope, start = wanted.scope(served, namespace), page.start
    shown, last = list[Any](), ""
    while True:
        # Each slice of a snapshot of its own: one is good for one turn of the event loop.
        snapshot = _snapshot(store, scope, page, revision)
        slice = list(islice(snapshot.walk(start), _PAGE))
        for record, each in zip(slice, await served.shown(slice), strict=True):
            is_meant = wanted.finds(served, record) if each is record else wanted.matches(served, each.peek())
            if not is_meant:
                continue
            if page.limit and len(shown) == page.limit:
                return _page(served, namespace, wanted, shown, last, _snapshot(store, scope, page, revision), revision)
            shown.append(each)
            last = record.key
        if len(slice) < _PAGE:
            return ListResponse(served, shown, revision)
        start = listing.after(slice[-1].key)
        await turn()


def _snapshot(store: Store, prefix: str, page: Page, revision: int) -> Snapshot:
    try:
        return store.snapshot(prefix, revision)
    except Compacted as error:
        raise _expired(page, revision, store) from error
    except FutureRevision as error:
        raise too_large(revision, store.revision) from error


def _expired(page: Page, revision: int, store: Store) -> Expired:
    if page.start:
        text = "The provided continue parameter is too old to display a consistent list result. You can start a new list without it"
        error = Expired(f"{text}, or go on with the token in this response: the rest is then shown as it is by now")
        error.resume = page.inconsistent
        return error
    return Expired(f"The resourceVersion for the provided list is too old: {revision} ({store.compacted})")


def too_large(revision: int, current: int) -> Timeout:
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1}
    return Timeout(f"Timeout: Too large resource version: {revision}, current: {current}", details=details)


async def wait_for(store: Store, revision: int) -> None:
    """A client may have seen a revision that is about to be committed here; one from the far future is an error. Raises Timeout."""
    if revision <= store.revision:
        return
    try:
        async with asyncio.timeout(_FUTURE_WAIT_S):
            reached = asyncio.Event()
            watch = store.watch("/", store.revision, lambda change: reached.set() if change.revision >= revision else None)
            try:
                await reached.wait()
            finally:
                watch.close()
    except TimeoutError as error:
        raise too_large(revision, store.revision) from error
