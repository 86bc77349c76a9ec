"""Delete an object: at once, or by marking it for those who have something left to do with it."""

from pilothouse.engine.apiserver.answer import DocumentResponse, ObjectResponse, deleted
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import delete_options
from pilothouse.engine.apiserver.verbs.get import check_name
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write.delete import Delete


async def delete(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse | DocumentResponse:
    check_name(request.name)
    options = delete_options.read(request)
    delete_options.warn_of_orphans(request, served, options)
    outcome = await backend.writes.write(Delete(write_request(request, served, dry_run=options.dry_run), options))
    if not outcome.is_gone or served.kind.returns_object_on_delete:
        return ObjectResponse(served, outcome.record, 202 if options.orphans is False and not outcome.is_gone else 200)
    return deleted(served, request.name, outcome.record.value["metadata"].get("uid", ""))
