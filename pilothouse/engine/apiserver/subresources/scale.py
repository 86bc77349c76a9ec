"""The scale subresource: a number of replicas, whatever the kind calls it.

Built-in kinds keep it in spec.replicas; a custom resource says where in its definition. Writes go through the same update path as
any other, so that admission, validation and conflicts are the object's own.
"""

import copy
from typing import Any

from pilothouse.engine.apiserver.answer import DocumentResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import decode, typed_body
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ScalePaths, ServedResource
from pilothouse.engine.apiserver.verbs import patch as patches
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import storage
from pilothouse.engine.apiserver.write.update import Make, Update
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import BadRequest, Cause, Internal, Invalid
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.schema import DecodeError
from pilothouse.model.selector import from_label_selector

SCALE = Resource("autoscaling", "v1", "scales", "Scale")
DEFINITION = "io.k8s.api.autoscaling.v1.Scale"
_BUILT_IN = ScalePaths(".spec.replicas", ".status.replicas")


async def get(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    record = storage.existing(backend.store, served, request.namespace, request.name)
    return DocumentResponse(scale_of(served, record.value))


async def update(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run = queries.dry_run(request.query, "UpdateOptions")
    wanted = typed_body.read(request, SCALE, backend.schemas.schema(DEFINITION), backend.table)
    storage.latest(backend.store, served, request.namespace, request.name)
    _check_name(request, wanted)
    return await _store(backend, request, served, lambda record: wanted, dry_run)


async def patch(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run = queries.dry_run(request.query, "PatchOptions")
    storage.latest(backend.store, served, request.namespace, request.name)
    document = patches.document(request)
    schema = backend.schemas.schema(DEFINITION)
    apply = patches.application(request, patches.media(request, custom=False), document, lambda: schema)

    def make(record: Record) -> Object:
        outcome = apply(scale_of(served, record.value, lenient=True))
        try:
            wanted = decode.without_type(schema.decode(outcome).value)
        except DecodeError as error:
            raise patches.unreadable(document, error.message) from error
        _check_name(request, wanted)
        if wanted["metadata"].get("resourceVersion") == record.value["metadata"].get("resourceVersion"):
            wanted["metadata"].pop("resourceVersion", None)
        return wanted

    return await _store(backend, request, served, make, dry_run)


def _check_name(request: ApiRequest, wanted: Object) -> None:
    name = wanted["metadata"].get("name", "")
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")


async def _store(backend: Backend, request: ApiRequest, served: ServedResource, wanted: Make, dry_run: bool) -> DocumentResponse:
    def make(record: Record) -> Object:
        scale = wanted(record)
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise Invalid.of("Scale", request.name, [Cause("spec.replicas", "FieldValueInvalid", text)], "autoscaling")
        value = copy.deepcopy(record.value)
        value["metadata"].pop("resourceVersion", None)
        version = scale["metadata"].get("resourceVersion")
        if version or not served.kind.unconditional_update:
            value["metadata"]["resourceVersion"] = version or record.value["metadata"]["resourceVersion"]
        _put(value, (served.scale or _BUILT_IN).spec_replicas, replicas)
        return value

    outcome = await backend.writes.write(Update(write_request(request, served, dry_run=dry_run), make))
    return DocumentResponse(scale_of(served, outcome.record.value))


def scale_of(served: ServedResource, obj: Object, *, lenient: bool = False) -> Object:
    """The Scale that shows an object; raises Internal for a custom resource that has no replicas set, unless lenient."""
    paths = served.scale or _BUILT_IN
    replicas = _find(obj, paths.spec_replicas)
    if replicas is None and served.custom and not lenient:
        why = f'the spec replicas field "{paths.spec_replicas}" does not exist'
        raise Internal(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
    metadata = obj["metadata"]
    shown = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if key in metadata}
    status: Object = {"replicas": _find(obj, paths.status_replicas) or 0}
    if selector := _selector(served, obj):
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector(served: ServedResource, obj: Object) -> str:
    if served.custom:
        path = served.scale.label_selector if served.scale else ""
        return (_find(obj, path) or "") if path else ""
    return str(from_label_selector((obj.get("spec") or {}).get("selector")))


def _find(obj: Object, path: str) -> Any:
    value: Any = obj
    for name in path.strip(".").split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _put(obj: Object, path: str, replicas: int) -> None:
    *parents, last = path.strip(".").split(".")
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = replicas
