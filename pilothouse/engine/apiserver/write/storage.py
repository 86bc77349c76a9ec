"""Writes to the store in the API's terms: its refusals become API errors about the object that was to be written."""

from types import TracebackType

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


async def create(store: Store, key: str, value: Object) -> Record:
    """Raises the store's KeyExists, for the caller to try again or to refuse (see `already_exists`)."""
    with _translated:
        return await store.create(key, value)


def already_exists(served: ServedResource, name: str, current: Object) -> AlreadyExists:
    error = AlreadyExists.of(served.resource.plural, name, served.resource.group)
    if current["metadata"].get("deletionTimestamp"):
        return AlreadyExists(f"object is being deleted: {error.message}", details=error.details)
    return error


def generated_name_exists(served: ServedResource, name: str) -> AlreadyExists:
    """Of an object for which a name may be generated: another attempt may find one that is free."""
    error = AlreadyExists.of(served.resource.plural, name, served.resource.group)
    text = f"{error.message}, the server was not able to generate a unique name for the object"
    return AlreadyExists(text, details=(error.details or {}) | {"retryAfterSeconds": 1})


async def update(store: Store, key: str, value: Object, expected: int) -> Record:
    """Raises the store's Mismatch, for the caller to try again or to call it a conflict."""
    with _translated:
        return await store.update(key, value, expected=expected)


async def delete(store: Store, key: str, expected: int, value: Object | None = None) -> Record:
    """Raises the store's Mismatch."""
    with _translated:
        return await store.delete(key, expected=expected, value=value)


async def durable(store: Store, record: Record) -> None:
    """Returns once the record is on disk, with everything before it."""
    with _translated:
        await store.durable(record.revision)


async def settled(store: Store) -> None:
    """Returns once all writes that are on their way are on disk."""
    with _translated:
        await store.settled()


class _Translated:
    """Raises the API's error in the place of the store's refusal. A class, since a generator costs every write some microseconds."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and (refusal := _refusal(error)) is not None:
            raise refusal from error


_translated = _Translated()


def _refusal(error: BaseException) -> ApiError | None:
    if isinstance(error, StoreBusy):
        return TooManyRequests(str(error), details={"retryAfterSeconds": 1})
    if isinstance(error, ObjectTooLarge):
        return RequestTooLarge(f"Request entity too large: {error}")
    if isinstance(error, StorageFailed | QuotaExceeded):
        return ApiError(str(error), code=500, reason="InternalError")
    return Unavailable("the server is shutting down") if isinstance(error, StoreClosed) else None
