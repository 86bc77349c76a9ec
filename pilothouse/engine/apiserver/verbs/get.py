"""Get one object."""

from pilothouse.engine.apiserver.answer import ObjectResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write import storage
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.names import path_segment


def check_name(name: str) -> None:
    """Raises BadRequest for a name that cannot be part of a URL path."""
    wrong = path_segment(name)
    if wrong:
        shown = ", ".join(f'"{name}": {why}' for why in wrong)
        raise BadRequest(f"Name parameter invalid: {shown}")


async def get(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    """Always of the latest committed state, whatever resourceVersion is asked for."""
    check_name(request.name)
    version = request.option("resourceVersion")
    if version and not queries.is_number(version):
        raise ApiError(f'strconv.ParseUint: parsing "{version}": invalid syntax', code=500, reason="")
    return ObjectResponse(served, storage.existing(backend.store, served, request.namespace, request.name))
