"""Create an object."""

from pilothouse.engine.apiserver.answer import ObjectResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import repeated, write_request
from pilothouse.engine.apiserver.write.create import Create
from pilothouse.model.json import Object

_OPTIONS = "CreateOptions"


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    dry_run, strictness, _ = queries.write_options(request.query, _OPTIONS)

    def decoded() -> Object:
        value = decode.new_value(request, served, backend.table, strictness)
        request.stated_name = value["metadata"].get("name") or ""
        return value

    asked = write_request(request, served, dry_run=dry_run)
    outcome = await backend.writes.write(Create(asked, await repeated(asked, decoded, backend.beside)))
    return ObjectResponse(served, outcome.record, 201)
