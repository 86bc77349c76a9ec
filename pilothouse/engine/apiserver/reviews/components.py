"""How the parts are that this server can see: its store, under the name that clients know. Scheduler and controllers are not asked."""

from pilothouse.engine.apiserver.answer import ListResponse, ObjectResponse, Unstored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.kinds.componentstatuses import component_status
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.engine.apiserver.write.storage import not_found
from pilothouse.model.json import Object

_STORE = "etcd-0"


def _found(backend: Backend) -> list[Object]:
    return [component_status(_STORE, backend.store.trouble())]


async def list_components(backend: Backend, request: ApiRequest, served: ServedResource) -> ListResponse:
    """Raises BadRequest for a selector that cannot be read."""
    wanted = listing.filter_of(request.query, served)
    return ListResponse(served, [Unstored(each) for each in _found(backend) if wanted.matches(served, each)], 0)


async def get_component(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    """Raises NotFound."""
    named = next((each for each in _found(backend) if each["metadata"]["name"] == request.name), None)
    if named is None:
        raise not_found(served, request.name)
    return ObjectResponse(served, Unstored(named))
