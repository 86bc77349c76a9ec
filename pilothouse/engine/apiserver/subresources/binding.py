"""pods/binding: the scheduler's word that a pod belongs to a node. It is said once; a second time is a conflict."""

import copy
from dataclasses import replace

from pilothouse.engine.apiserver.answer import DocumentResponse, Stored, success
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, BadRequest, Cause, Conflict
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

BINDING = Resource("", "v1", "bindings", "Binding")
_DEFINITION = "io.k8s.api.core.v1.Binding"


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run, strictness, _ = queries.write_options(request.query, "CreateOptions")
    binding = await typed_body.read(
        request, BINDING, schema=backend.schemas.schema(_DEFINITION), table=backend.table, strictness=strictness, beside=backend.beside
    )
    name = binding["metadata"].get("name", "")
    if name != request.name:
        raise BadRequest("name in URL does not match name in Binding object")
    _node(binding)
    asked = write_request(request, served, dry_run=dry_run)
    attempt = asked.attempt("CREATE", binding, None)
    await backend.admission.admit(attempt)
    binding = attempt.new()
    node = _node(binding)
    now = backend.timestamp()

    def make(record: Stored) -> Object:
        return _bound(record.value, binding, node, now)

    await backend.writes.write(Update(replace(asked, is_admitted=True), make))
    return DocumentResponse(success(code=201), 201)


async def create_by_body(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    """The same for a binding that is created on its own: its name says which pod it is about."""
    strictness = queries.write_options(request.query, "CreateOptions").strictness
    wanted = await typed_body.read(
        request, BINDING, schema=backend.schemas.schema(_DEFINITION), table=backend.table, strictness=strictness, beside=backend.beside
    )
    name = wanted["metadata"].get("name", "")
    if not name:
        raise BadRequest("name is required: metadata.name names the pod that is to be bound")
    pods = backend.table.find("", "v1", "pods")
    assert pods is not None, "pods are always served"
    target = replace(request.target, resource="pods", name=name, subresource="binding")
    return await create(backend, replace(request, target=target), pods)


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
    if other := _other(metadata, wanted):
        raise Conflict.of("pods", name, other)
    why = ""
    if metadata.get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
    if why:
        raise Conflict.of("pods/binding", name, why)
    value = copy.deepcopy(pod)
    value["metadata"].pop("resourceVersion", None)
    value["spec"]["nodeName"] = node
    if notes := wanted.get("annotations"):
        value["metadata"].setdefault("annotations", {}).update(notes)
    if labels := wanted.get("labels"):
        value["metadata"]["labels"] = labels | (metadata.get("labels") or {})
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    status = value.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    status["conditions"] = meta.with_condition(status.get("conditions"), scheduled, now)
    return value


def _other(metadata: Object, wanted: Object) -> str:
    """Why the binding is about another pod, or about another state of it, than there is; "" when it is not."""
    for name, shown in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(name) and wanted[name] != metadata.get(name):
            return f"Precondition failed: {shown} in precondition: {wanted[name]}, {shown} in object meta: {metadata.get(name)}"
    return ""
