"""What verbs that write have in common: who asks for what, and new values that can be made again."""

from collections.abc import Callable

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write import object_meta
from pilothouse.engine.apiserver.write.change import WriteRequest
from pilothouse.engine.apiserver.write.ownership import Manage, by_update
from pilothouse.model.errors import BadRequest
from pilothouse.model.json import Object


def write_request(request: ApiRequest, served: ServedResource, *, dry_run: bool, manage: Manage | None = None) -> WriteRequest:
    """The request's user writes the object that its URL names. manage: None for that of an update."""
    target, manage = request.target, manage or by_update(request, served)
    return WriteRequest(
        served,
        target.namespace,
        target.name,
        request.user,
        request.warn,
        manage,
        target.subresource,
        dry_run,
        request.deadline,
        request.annotate,
        _options(request),
        parts=bodies.parts_of(request),
        charged=request.charged,
    )


def _options(request: ApiRequest) -> Object:
    """Of a create, an update or a patch."""
    found: Object = {"dryRun": request.query["dryRun"]} if "dryRun" in request.query else {}
    return found | {name: value for name in ("fieldManager", "fieldValidation") if (value := request.option(name))}


async def repeated(asked: WriteRequest, make: Callable[[], Object], beside: Beside) -> Callable[[], Object]:
    """`make` is called at once, so that what it refuses is refused first, and again for every further value."""
    first: list[Object] = [await beside.run(make, is_large=asked.is_large())]
    return lambda: first.pop() if first else make()


def check_identity(request: ApiRequest, served: ServedResource, value: Object) -> None:
    """Raises BadRequest when the object is not the one that the URL names."""
    name = value["metadata"].get("name", "")
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    object_meta.set_namespace(value, request.namespace, served.resource.namespaced)
