"""Create an object."""

from pilothouse.engine.apiserver.answer import ObjectResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import repeated
from pilothouse.engine.apiserver.verbs.making import write_request as asked
from pilothouse.engine.apiserver.write.create import Create
from pilothouse.model.json import Object

_OPTIONS = "CreateOptions"


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    dry_run = queries.dry_run(request.query, _OPTIONS)
    strictness = queries.field_validation(request.query, _OPTIONS)
    queries.field_manager(request.query, _OPTIONS)

    def decoded() -> Object:
        return decode.new_value(request, served, backend.table, strictness)

    outcome = await backend.writes.write(Create(asked(request, served, dry_run=dry_run), repeated(decoded)))
    return ObjectResponse(served, outcome.record, 201)
