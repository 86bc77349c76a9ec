"""Replace an object, or one of its parts through a subresource.

`replace` is the whole write path of an update: patch, scale and bind use it with another way to make the new value. It is
tried again when somebody else was quicker, unless the client has bound its change to a version.
"""

from collections.abc import Callable
from dataclasses import replace as replace_fields

from pilothouse.engine.apiserver import decode, ownership, storage, system
from pilothouse.engine.apiserver import query as queries
from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.answer import Fresh, One, Stored
from pilothouse.engine.apiserver.authz.authorize import attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.ownership import Manage
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.served import Served
from pilothouse.engine.apiserver.verbs import create, finish
from pilothouse.engine.apiserver.verbs.get import check_name
from pilothouse.engine.store.errors import Mismatch
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import ApiError, BadRequest, Cause, Invalid
from pilothouse.model.json import Object, same
from pilothouse.model.kinds import NAMESPACES

_OPTIONS = "UpdateOptions"
_ATTEMPTS = 10

Make = Callable[[Record], Object]
"""Given the stored object, a private copy of what is to take its place."""


async def update(backend: Backend, request: ApiRequest, served: Served) -> One:
    check_name(request.name)
    dry_run = queries.dry_run(request.query, _OPTIONS)
    strictness = queries.field_validation(request.query, _OPTIONS)
    queries.field_manager(request.query, _OPTIONS)
    queries.timeout_s(request.query)
    value = decode.written(request, served, backend.table, strictness)
    check_identity(request, served, value)
    if not request.target.subresource and served.kind.create_on_update:
        key = served.key(request.namespace, request.name)
        if backend.store.latest(key) is None:
            backend.authorizer.check(replace_fields(attributes(request), verb="create"))
            return await _create(backend, request, served, value, dry_run)
    return await replace(backend, request, served, lambda record: value, dry_run)


async def _create(backend: Backend, request: ApiRequest, served: Served, value: Object, dry_run: bool) -> One:
    if value["metadata"].get("uid"):
        why = f"Precondition failed: UID in precondition: {value['metadata']['uid']}, UID in object meta: "
        raise storage.conflict(served, request.name, why)
    value["metadata"].pop("resourceVersion", None)
    return await create.insert(backend, request, served, value, ownership.by_update(request, served, backend.timestamp()), dry_run)


def check_identity(request: ApiRequest, served: Served, value: Object) -> None:
    """Raises BadRequest when the object is not the one that the URL names."""
    name = value["metadata"].get("name", "")
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    system.place(value, request.namespace, served.resource.namespaced)


async def replace(backend: Backend, request: ApiRequest, served: Served, make: Make, dry_run: bool, manage: Manage | None = None) -> One:
    """manage: None for that of an update. Raises NotFound, Conflict, Invalid, Forbidden."""
    manage = manage or ownership.by_update(request, served, backend.timestamp())
    for _ in range(_ATTEMPTS):
        current = storage.latest(backend.store, served, request.namespace, request.name)
        value = make(current)
        bound = bool(value["metadata"].get("resourceVersion"))
        try:
            return await _replace_once(backend, request, served, current, value, manage, dry_run)
        except Mismatch as error:
            if bound:
                raise storage.conflict(served, request.name) from error
    raise storage.conflict(served, request.name)


async def _replace_once(
    backend: Backend, request: ApiRequest, served: Served, current: Record, value: Object, manage: Manage, dry_run: bool
) -> One:
    old, subresource = current.value, request.target.subresource
    check_preconditions(served, request.name, value, current)
    system.carry_over(value, old)
    manage(old, value)
    written = Attributes("UPDATE", served, request.namespace, request.name, request.user, value, old, subresource, dry_run, request.warn)
    backend.admission.mutate(written)
    served.kind.prepare_update(value, old, Context(backend.now(), subresource))
    _validate(request, served, value, old)
    try:
        backend.allocation.update(written)
        backend.admission.validate(written)
        record, gone = await _write(backend, served, current, value, dry_run)
    finally:
        written.release()
    if gone:
        await finish.deleted(backend, served, record, dry_run)
    elif record is not current:
        await finish.written(backend, served, record, dry_run)
    return One(served, record)


def check_preconditions(served: Served, name: str, value: Object, current: Record) -> None:
    """The uid and the version that a new value states; raises Conflict, Invalid, ApiError 500."""
    metadata, stored = value["metadata"], current.value["metadata"]
    version, resource = metadata.get("resourceVersion", ""), served.resource
    if version and not queries.is_number(version):
        raise ApiError(f'strconv.ParseUint: parsing "{version}": invalid syntax', code=500, reason="")
    uid = metadata.get("uid")
    if uid and uid != stored["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored['uid']}"
        raise storage.conflict(served, name, why)
    if version in ("", "0"):
        if not served.kind.unconditional_update:
            cause = Cause("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update")
            raise Invalid.of(resource.plural, name, [cause], resource.group)
        metadata.pop("resourceVersion", None)
    elif int(version) != current.revision:
        raise storage.conflict(served, name)


def _validate(request: ApiRequest, served: Served, value: Object, old: Object) -> None:
    kind = served.kind
    subresource = request.target.subresource
    causes = kind.causes_of_update(value, old, subresource)
    if causes:
        raise served.invalid(request.name, causes)
    if subresource != "status":
        for text in kind.warnings(value) if kind.warnings_on_update is None else kind.warnings_on_update(value, old):
            request.warn(text)


async def _write(backend: Backend, served: Served, current: Record, value: Object, dry_run: bool) -> tuple[Stored, bool]:
    """(what is answered, whether the object is gone). A write that changes nothing is not carried out."""
    old = current.value
    value["metadata"]["resourceVersion"] = old["metadata"].get("resourceVersion")
    if is_released(served, value):
        if dry_run:
            return Fresh(value), True
        # What watchers are told is the object as it last was; the client sees its change, at the version it was based on.
        await storage.delete(backend.store, current.key, current.revision)
        return Fresh(value), True
    # WHY only if it is committed: an answer must not show what the disk may still refuse. Python's == takes 1 for true, so `same` decides.
    is_committed = backend.store.get(current.key) is current
    if (is_committed or dry_run) and value == old and same(value, old):
        return current, False
    if dry_run:
        return Fresh(value), False
    return await storage.update(backend.store, current.key, value, current.revision), False


def is_released(served: Served, value: Object) -> bool:
    """Whether a dying object has nothing left to wait for, so that this update is its end."""
    metadata = value["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return served.resource is not NAMESPACES or not (value.get("spec") or {}).get("finalizers")
