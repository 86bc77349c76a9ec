"""Writes to the store in the API's terms: its refusals become API errors about the object that was to be written."""

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.store.errors import ObjectTooLarge, QuotaExceeded, StorageFailed, StoreBusy, StoreClosed
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, NotFound, RequestTooLarge, TooManyRequests, Unavailable
from pilothouse.model.json import Object

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def not_found(served: ServedResource, name: str) -> NotFound:
    return NotFound.of(served.resource.plural, name, served.resource.group)


def conflict(served: ServedResource, name: str, why: str = MODIFIED) -> Conflict:
    return Conflict.of(served.resource.plural, name, why, served.resource.group)


def existing(store: Store, served: ServedResource, namespace: str, name: str) -> Record:
    """The committed object; raises NotFound."""
    record = store.get(served.key(namespace, name))
    if record is None:
        raise not_found(served, name)
    return record


def latest(store: Store, served: ServedResource, namespace: str, name: str) -> Record:
    """The object as a new write has to see it, changes on their way to disk included; raises NotFound."""
    record = store.latest(served.key(namespace, name))
    if record is None:
        raise not_found(served, name)
    return record


def may_answer(store: Store, record: Record, *, dry_run: bool = False) -> bool:
    """Whether a write that changes nothing may be answered with the record: what is on its way to disk may still fail."""
    return dry_run or store.get(record.key) is record


async def create(store: Store, key: str, value: Object) -> Record:
    """Raises the store's KeyExists, for the caller to try again or to refuse (see `already_exists`)."""
    with _translated():
        return await store.create(key, value)


def already_exists(served: ServedResource, name: str, current: Object) -> AlreadyExists:
    error = AlreadyExists.of(served.resource.plural, name, served.resource.group)
    if current["metadata"].get("deletionTimestamp"):
        return AlreadyExists(f"object is being deleted: {error.message}", details=error.details)
    return error


async def update(store: Store, key: str, value: Object, expected: int) -> Record:
    """Raises the store's Mismatch, for the caller to try again or to call it a conflict."""
    with _translated():
        return await store.update(key, value, expected=expected)


async def delete(store: Store, key: str, expected: int, value: Object | None = None) -> Record:
    """Raises the store's Mismatch."""
    with _translated():
        return await store.delete(key, expected=expected, value=value)


async def durable(store: Store, record: Record) -> None:
    """Returns once the record is on disk, with everything before it."""
    with _translated():
        await store.durable(record.revision)


async def settled(store: Store) -> None:
    """Returns once all writes that are on their way are on disk."""
    with _translated():
        await store.settled()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StoreBusy as error:
        raise TooManyRequests(str(error), details={"retryAfterSeconds": 1}) from error
    except ObjectTooLarge as error:
        raise RequestTooLarge(f"Request entity too large: {error}") from error
    except (StorageFailed, QuotaExceeded) as error:
        raise ApiError(str(error), code=500, reason="InternalError") from error
    except StoreClosed as error:
        raise Unavailable("the server is shutting down") from error
