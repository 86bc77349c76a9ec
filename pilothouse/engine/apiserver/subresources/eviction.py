"""pods/eviction: a delete that asks politely. Without disruption budgets every pod may go."""

from dataclasses import replace

from pilothouse.engine.apiserver.answer import DocumentResponse, success
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import delete_options
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import object_meta, storage
from pilothouse.engine.apiserver.write.delete import Delete
from pilothouse.model.errors import BadRequest
from pilothouse.model.resource import Resource

EVICTION = Resource("policy", "v1", "evictions", "Eviction")
_DEFINITION = "io.k8s.api.policy.v1.Eviction"


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run, strictness, _ = queries.write_options(request.query, "CreateOptions")
    eviction = await typed_body.read(
        request, EVICTION, schema=backend.schemas.schema(_DEFINITION), table=backend.table, strictness=strictness, beside=backend.beside
    )
    if eviction["metadata"].get("name", "") != request.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    object_meta.set_namespace(eviction, request.namespace, served.resource.namespaced)
    storage.existing(backend.store, served, request.namespace, request.name)
    asked = write_request(request, served, dry_run=dry_run)
    attempt = asked.attempt("CREATE", eviction, None)
    await backend.admission.admit(attempt)
    options = delete_options.of(attempt.new().get("deleteOptions") or {})
    options = replace(options, dry_run=dry_run or options.dry_run)
    await backend.writes.write(Delete(replace(asked, subresource="", dry_run=options.dry_run, is_admitted=True), options))
    return DocumentResponse(success(code=201), 201)
