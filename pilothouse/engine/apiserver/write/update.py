"""The write path of a change to a stored object, whole or through a subresource."""

from collections.abc import Awaitable, Callable

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.answer import Stored, Unstored
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.write import object_meta, storage
from pilothouse.engine.apiserver.write.change import Lost, Outcome, WriteRequest
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model.apply import at_once
from pilothouse.model.errors import ApiError, Cause, Invalid
from pilothouse.model.json import Object, fingerprint

Ahead = Callable[[Stored], Awaitable[None]]
Make = Callable[[Stored], Object]
"""Given the stored object as the version shows it, a private copy of what is to take its place; called once an attempt, of large objects
in a thread."""


class Update:
    """A value that states a resourceVersion is bound to it: tried again after somebody else's change, it is found to be a conflict."""

    def __init__(self, request: WriteRequest, make: Make, *, ahead: Ahead | None = None) -> None:
        """ahead: awaited in each attempt, with what `make` is given then."""
        self._request = request
        self._make = make
        self._ahead = ahead
        self._base: Record
        self._old: Object
        self.is_large = False

    async def begin(self, store: Store, beside: Beside) -> Write:
        """Raises NotFound, Conflict, Invalid, ApiError 500."""
        request = self._request
        self._base = storage.latest(store, request.served, request.namespace, request.name)
        shown: Stored = self._base
        if request.served.shape is not None:
            (shown,) = await request.served.shown([self._base])
        self._old = shown.value
        if self._ahead is not None:
            await self._ahead(shown)
        self.is_large = request.is_large(self._base.raw)
        value = await beside.run(lambda: self._made(shown), is_large=self.is_large)
        if request.served.awaits:
            await request.manage(self._old, value)
        return request.attempt("UPDATE", value, self._old)

    def _made(self, shown: Stored) -> Object:
        request = self._request
        value = self._make(shown)
        self._check_preconditions(value)
        object_meta.inherit(value, self._old)
        object_meta.drop_double_owners(value, request.warn)
        if not request.served.awaits:
            at_once(request.manage(self._old, value))
        return value

    def _check_preconditions(self, value: Object) -> None:
        """The uid and the version that the new value states; "0" stands for none."""
        served, name, current = self._request.served, self._request.name, self._base
        metadata, stored = value["metadata"], current.value["metadata"]
        version = metadata.get("resourceVersion", "")
        if version and not queries.is_number(version):
            raise ApiError(f'strconv.ParseUint: parsing "{version}": invalid syntax', code=500, reason="")
        uid = metadata.get("uid")
        if uid and uid != stored["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored['uid']}"
            raise storage.conflict(served, name, why)
        if version in ("", "0"):
            if not served.kind.unconditional_update:
                cause = Cause("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update")
                raise Invalid.of(served.resource.plural, name, [cause], served.resource.group)
            metadata.pop("resourceVersion", None)
        elif int(version) != current.revision:
            raise storage.conflict(served, name)

    def prepare(self, write: Write, context: Context) -> None:
        kind, value, old = write.served.kind, write.new(), self._old
        # Admission may have brought another value.
        object_meta.inherit(value, old)
        kind.prepare_update(value, old, context)
        if causes := kind.causes_of_update(value, old, write.subresource):
            raise write.served.invalid(write.name, causes)
        if write.subresource != "status":
            for text in kind.warnings(value) if kind.warnings_on_update is None else kind.warnings_on_update(value, old):
                write.warn(text)

    async def commit(self, store: Store, write: Write, stored: Object | None) -> Outcome:
        """A write that changes nothing is not carried out; the last reason to wait for taken away ends a dying object."""
        base, value = self._base, write.new() if stored is None else stored
        value["metadata"]["resourceVersion"] = base.value["metadata"].get("resourceVersion")
        if _is_released(write, value):
            if not write.dry_run:
                # What watchers are told is the object as it last was; the client sees its change, at the version it was based on.
                await storage.delete(store, base.key, base.revision)
            return Outcome(Unstored(value), is_gone=True)
        # WHY both: Python's == takes 1 for true, and finds most differences at once.
        if value == base.value and fingerprint(value) == fingerprint(base.value):
            return Outcome(base)  # It may be on its way to disk still: an answer waits for that.
        if write.dry_run:
            return Outcome(Unstored(value))
        return Outcome(await storage.update(store, base.key, value, base.revision))

    def lost(self, write: Write, error: Lost, *, is_last: bool) -> None:
        if is_last:
            raise storage.conflict(write.served, write.name) from error


def _is_released(write: Write, value: Object) -> bool:
    """Whether a dying object has nothing left to wait for, so that this update is its end."""
    metadata = value["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return not write.served.kind.waits(value)
