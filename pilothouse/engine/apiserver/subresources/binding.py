"""pods/binding: the scheduler's word that a pod belongs to a node. It is said once; a second time is a conflict."""

import copy

from pilothouse.engine.apiserver.answer import DocumentResponse, success
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.engine.store.record import Record
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, BadRequest, Cause, Conflict
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

BINDING = Resource("", "v1", "bindings", "Binding")
_DEFINITION = "io.k8s.api.core.v1.Binding"


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run = queries.dry_run(request.query, "CreateOptions")
    binding = typed_body.read(request, BINDING, backend.schemas.schema(_DEFINITION), backend.table)
    name = binding["metadata"].get("name", "")
    if name != request.name:
        raise BadRequest("name in URL does not match name in Binding object")
    node = _node(binding)
    now = backend.timestamp()

    def make(record: Record) -> Object:
        return _bound(record.value, binding, node, now)

    await backend.writes.write(Update(write_request(request, served, dry_run=dry_run), make))
    return DocumentResponse(success(code=201), 201)


def _node(binding: Object) -> str:
    target = binding.get("target") or {}
    causes = []
    if target.get("kind") not in (None, "", "Node"):
        text = f'Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        causes.append(Cause("target.kind", "FieldValueNotSupported", text))
    if not target.get("name"):
        causes.append(Cause("target.name", "FieldValueRequired", "Required value"))
    if causes:
        text = "; ".join(f"{cause.field}: {cause.message}" for cause in causes)
        raise ApiError(text, code=500, reason="")
    node: str = target["name"]
    return node


def _bound(pod: Object, binding: Object, node: str, now: str) -> Object:
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    name, wanted = metadata["name"], binding["metadata"]
    why = ""
    if metadata.get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
    elif wanted.get("uid") and wanted["uid"] != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata['uid']}"
    if why:
        raise Conflict.of("pods" if "Precondition" in why else "pods/binding", name, why)
    value = copy.deepcopy(pod)
    value["metadata"].pop("resourceVersion", None)
    value["spec"]["nodeName"] = node
    if notes := wanted.get("annotations"):
        value["metadata"].setdefault("annotations", {}).update(notes)
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    status = value.setdefault("status", {})
    status["conditions"] = meta.with_condition(status.get("conditions"), scheduled, now)
    return value
