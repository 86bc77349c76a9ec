"""List a collection, whole or page by page, as of now or as of a revision.

Pages of one listing all show the same revision. A selector with one exact name reads that one object.
"""

import asyncio
from itertools import islice

from pilothouse.engine.apiserver.answer import ListResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.engine.apiserver.verbs.listing import Filter, Page
from pilothouse.engine.store.errors import Compacted, FutureRevision
from pilothouse.engine.store.snapshot import Snapshot
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Expired, Timeout

_FUTURE_WAIT_S = 3.0


async def list_objects(backend: Backend, request: ApiRequest, served: ServedResource) -> ListResponse:
    wanted = listing.filter_of(request.query, served)
    prefix = served.scope(request.namespace)
    page = listing.page_of(request.query, prefix)
    queries.integer(request.query, "timeoutSeconds")
    return await collect(backend.store, served, request.namespace, wanted, page)


async def collect(store: Store, served: ServedResource, namespace: str, wanted: Filter, page: Page) -> ListResponse:
    """Raises Expired, Timeout."""
    if page.revision is not None and page.revision > store.revision:
        await _wait_for(store, page.revision)
    revision = page.revision if page.exact and page.revision is not None else store.revision
    snapshot = _snapshot(store, wanted.scope(served, namespace), page, revision)
    found = snapshot.walk(page.start)
    if not wanted.is_everything:
        found = (record for record in found if wanted.finds(served, record))
    if not page.limit:
        return ListResponse(served, list(found), revision)
    shown = list(islice(found, page.limit))
    if len(shown) < page.limit or next(found, None) is None:
        return ListResponse(served, shown, revision)
    resume = listing.encode_token(revision, shown[-1].key, served.scope(namespace))
    remaining = snapshot.count(listing.after(shown[-1].key)) if wanted.is_everything else None
    return ListResponse(served, shown, revision, resume, remaining)


def _snapshot(store: Store, prefix: str, page: Page, revision: int) -> Snapshot:
    try:
        return store.snapshot(prefix, revision)
    except Compacted as error:
        raise _expired(page, revision, store) from error
    except FutureRevision as error:
        raise too_large(revision, store.revision) from error


def _expired(page: Page, revision: int, store: Store) -> Expired:
    if page.start:
        text = "The provided continue parameter is too old to display a consistent list result."
        return Expired(f"{text} You can start a new list without the continue parameter.")
    return Expired(f"The resourceVersion for the provided list is too old: {revision} ({store.compacted})")


def too_large(revision: int, current: int) -> Timeout:
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1}
    return Timeout(f"Timeout: Too large resource version: {revision}, current: {current}", details=details)


async def _wait_for(store: Store, revision: int) -> None:
    """A client may have seen a revision that is about to be committed here; one from the far future is an error."""
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
