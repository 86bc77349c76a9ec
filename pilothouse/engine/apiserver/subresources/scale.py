"""The scale subresource: a number of replicas, whatever the kind calls it.

Built-in kinds keep it in spec.replicas; a custom resource says where in its definition. Writes go through the same update path as
any other, so that admission, validation and conflicts are the object's own.
"""

import copy
from dataclasses import replace
from typing import Any

from pilothouse.client.transport import APPLY_PATCH
from pilothouse.engine.apiserver.admission.context import View
from pilothouse.engine.apiserver.answer import ObjectResponse, Stored, Unstored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers.workloads import SCALE_COLUMNS, scale_cells
from pilothouse.engine.apiserver.request import decode, typed_body
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ScalePaths, ServedResource
from pilothouse.engine.apiserver.subresources.scale_owners import ScaleOwners
from pilothouse.engine.apiserver.verbs import apply as applies
from pilothouse.engine.apiserver.verbs import patch as patches
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import storage
from pilothouse.engine.apiserver.write.ownership import Manage
from pilothouse.engine.apiserver.write.update import Make, Update
from pilothouse.model.errors import BadRequest, Cause, Internal, Invalid
from pilothouse.model.json import Object
from pilothouse.model.kinds import REPLICATIONCONTROLLERS
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Schema
from pilothouse.model.selector import from_label_selector

SCALE = Resource("autoscaling", "v1", "scales", "Scale")
DEFINITION = "io.k8s.api.autoscaling.v1.Scale"
_BUILT_IN = ScalePaths(".spec.replicas", ".status.replicas")
_KIND = Kind(SCALE, DEFINITION, columns=SCALE_COLUMNS, cells=scale_cells, is_stored=False)


async def get(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    record = storage.existing(backend.store, served, request.namespace, request.name)
    (shown,) = await served.shown([record])
    return _shown(backend, scale_of(served, shown.value))


def _shown(backend: Backend, scale: Object) -> ObjectResponse:
    value = {name: part for name, part in scale.items() if name not in ("apiVersion", "kind")}
    return ObjectResponse(ServedResource(_KIND, lambda: backend.schemas.schema(DEFINITION), ""), Unstored(value))


async def update(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    dry_run, strictness, _ = queries.write_options(request.query, "UpdateOptions")
    wanted = await typed_body.read(
        request, SCALE, schema=backend.schemas.schema(DEFINITION), table=backend.table, strictness=strictness, beside=backend.beside
    )
    storage.latest(backend.store, served, request.namespace, request.name)
    _check_name(request, wanted)
    return await _store(backend, request, served, lambda record: wanted, dry_run)


async def patch(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    is_apply = request.content_type == APPLY_PATCH
    dry_run, strictness, _ = queries.patch_options(request.query, is_apply=is_apply)
    storage.latest(backend.store, served, request.namespace, request.name)
    schema = backend.schemas.schema(DEFINITION)
    if is_apply:
        return await _apply(backend, request, served, schema, dry_run, strictness)
    change = patches.document(request)
    apply = patches.application(patches.media(request, custom=False), change, lambda: schema)

    def make(record: Stored) -> Object:
        outcome = apply(scale_of(served, record.value, lenient=True))
        wanted = decode.without_type(patches.read(request, schema.decode, outcome, change, SCALE.kind, strictness))
        _check_name(request, wanted)
        if wanted["metadata"].get("resourceVersion") == record.value["metadata"].get("resourceVersion"):
            wanted["metadata"].pop("resourceVersion", None)
        return wanted

    return await _store(backend, request, served, make, dry_run)


async def _apply(
    backend: Backend, request: ApiRequest, served: ServedResource, schema: Schema, dry_run: bool, strictness: str
) -> ObjectResponse:
    """Raises Conflict for replicas that another manager of the object owns, unless forced."""
    config = applies.configuration(request, strictness)
    applies.check(request, SCALE, config)
    owners = ScaleOwners(request, served, (served.scale or _BUILT_IN).spec_replicas, config, schema)

    def make(record: Stored) -> Object:
        wanted = owners.applied(record.value, scale_of(served, record.value, lenient=True))
        value = decode.without_type(wanted)
        value["metadata"]["resourceVersion"] = config["metadata"].get("resourceVersion", "")
        return value

    return await _store(backend, request, served, make, dry_run, owners.manage)


def _check_name(request: ApiRequest, wanted: Object) -> None:
    name = wanted["metadata"].get("name", "")
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")


async def _store(
    backend: Backend, request: ApiRequest, served: ServedResource, wanted: Make, dry_run: bool, manage: Manage | None = None
) -> ObjectResponse:
    def make(record: Stored) -> Object:
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

    asked = replace(write_request(request, served, dry_run=dry_run, manage=manage), view=_view(served))
    outcome = await backend.writes.write(Update(asked, make))
    return _shown(backend, scale_of(served, outcome.record.value))


def _view(served: ServedResource) -> View:
    """What webhooks see of the object, and may change."""

    def take(obj: Object, scale: Object) -> None:
        _put(obj, (served.scale or _BUILT_IN).spec_replicas, (scale.get("spec") or {}).get("replicas", 0))

    return View(lambda obj: scale_of(served, obj, lenient=True), take)


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
    selector = (obj.get("spec") or {}).get("selector")
    if served.resource.group_resource == REPLICATIONCONTROLLERS.group_resource:
        selector = {"matchLabels": selector or {}}
    return str(from_label_selector(selector))


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
