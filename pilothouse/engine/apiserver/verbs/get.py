"""Get one object."""

from pilothouse.engine.apiserver.answer import ObjectResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.list import wait_for
from pilothouse.engine.apiserver.verbs.listing import revision_number, server_error
from pilothouse.engine.apiserver.write import storage
from pilothouse.model.errors import BadRequest
from pilothouse.model.names import path_segment


def check_name(name: str) -> None:
    """Raises BadRequest for a name that cannot be part of a URL path."""
    wrong = path_segment(name)
    if wrong:
        shown = ", ".join(f'"{name}": {why}' for why in wrong)
        raise BadRequest(f"Name parameter invalid: {shown}")


async def get(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    """Of the latest committed state, which has to be at least the one that is asked for. Raises Timeout for one that does not come."""
    check_name(request.name)
    if queries.boolean(request.query, "export"):
        raise BadRequest("the export parameter, deprecated since v1.14, is no longer supported")
    if version := request.option("resourceVersion"):
        await wait_for(backend.store, revision_number(version, server_error))
    record = storage.existing(backend.store, served, request.namespace, request.name)
    return ObjectResponse(served, (await served.shown([record]))[0])
