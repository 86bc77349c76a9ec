"""Create an object; also the second half of an update that creates."""

from pilothouse.engine.apiserver import decode, ownership, storage, system
from pilothouse.engine.apiserver import query as queries
from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.answer import Fresh, One, Stored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.ownership import Manage
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.served import Served
from pilothouse.engine.apiserver.verbs import finish
from pilothouse.model.errors import AlreadyExists, MethodNotAllowed
from pilothouse.model.json import Object

_OPTIONS = "CreateOptions"
_NAME_ATTEMPTS = 8


async def create(backend: Backend, request: ApiRequest, served: Served) -> One:
    dry_run = queries.dry_run(request.query, _OPTIONS)
    strictness = queries.field_validation(request.query, _OPTIONS)
    queries.field_manager(request.query, _OPTIONS)
    queries.timeout_s(request.query)
    value = decode.written(request, served, backend.table, strictness)
    manage = ownership.by_update(request, served, backend.timestamp())
    return await insert(backend, request, served, value, manage, dry_run)


async def insert(backend: Backend, request: ApiRequest, served: Served, value: Object, manage: Manage, dry_run: bool) -> One:
    """Carry a decoded, defaulted value (a private copy) through admission and validation into the store."""
    if served.custom:
        _refuse_into_dying(backend, served)
    system.place(value, request.namespace, served.resource.namespaced)
    generated = not value["metadata"].get("name") and bool(value["metadata"].get("generateName"))
    version = value["metadata"].get("resourceVersion", "")
    system.begin(value, backend.timestamp())
    if not dry_run:
        system.refuse_version(value)
    elif version:
        value["metadata"].pop("resourceVersion")
    manage(None, value)
    attributes = Attributes(
        "CREATE", served, request.namespace, value["metadata"].get("name", ""), request.user, value, dry_run=dry_run, warn=request.warn
    )
    backend.admission.mutate(attributes)
    served.kind.prepare_create(value, Context(backend.now()))
    try:
        record = await _store(backend, request, served, attributes, generated)
    finally:
        attributes.release()
    await finish.written(backend, served, record, dry_run)
    return One(served, record, 201)


def _refuse_into_dying(backend: Backend, served: Served) -> None:
    """Raises MethodNotAllowed: an instance made after its definition's were removed would be nobody's."""
    if backend.definitions.is_dying(served.resource.group_resource):
        details = {"group": served.resource.group, "kind": served.resource.plural}
        raise MethodNotAllowed("create not allowed while custom resource definition is terminating", details=details)


async def _store(backend: Backend, request: ApiRequest, served: Served, attributes: Attributes, generated: bool) -> Stored:
    for attempt in range(1, _NAME_ATTEMPTS + 1):
        value = attributes.new()
        _validate(backend, request, served, value)
        backend.allocation.create(attributes)
        backend.admission.validate(attributes)
        try:
            return await _write(backend, request, served, attributes)
        except AlreadyExists:
            if not generated or attempt == _NAME_ATTEMPTS:
                raise
            attributes.release()
            value["metadata"].pop("name")
            system.begin(value, backend.timestamp())
    raise AssertionError("the last attempt returns or raises")


def _validate(backend: Backend, request: ApiRequest, served: Served, value: Object) -> None:
    causes = served.kind.validate(value)
    if causes:
        raise served.invalid(value["metadata"].get("name", ""), causes)
    for text in served.kind.warnings(value):
        request.warn(text)


async def _write(backend: Backend, request: ApiRequest, served: Served, attributes: Attributes) -> Stored:
    value = attributes.new()
    name = value["metadata"]["name"]
    if not attributes.dry_run:
        return await storage.create(backend.store, served, request.namespace, name, value)
    current = backend.store.latest(served.key(request.namespace, name))
    if current is not None:
        raise storage.already_exists(served, name, current.value)
    return Fresh(value)
