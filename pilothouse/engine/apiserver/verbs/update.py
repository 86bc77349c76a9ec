"""Replace an object, or one of its parts through a subresource; of some kinds, make one that is not there."""

from dataclasses import replace

from pilothouse.engine.apiserver.answer import ObjectResponse
from pilothouse.engine.apiserver.authz.authorize import attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.get import check_name
from pilothouse.engine.apiserver.verbs.making import check_identity, repeated, write_request
from pilothouse.engine.apiserver.write import storage
from pilothouse.engine.apiserver.write.create import Create
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.model.json import Object

_OPTIONS = "UpdateOptions"


async def update(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    check_name(request.name)
    dry_run, strictness, _ = queries.write_options(request.query, _OPTIONS)

    def decoded() -> Object:
        value = decode.new_value(request, served, backend.table, strictness)
        check_identity(request, served, value)
        return value

    asked = write_request(request, served, dry_run=dry_run)
    make = await repeated(asked, decoded, backend.beside)
    makes_missing = served.kind.create_on_update and not request.target.subresource
    if makes_missing and backend.store.latest(served.key(request.namespace, request.name)) is None:
        backend.authorizer.check(replace(attributes(request), verb="create"))
        outcome = await backend.writes.write(Create(asked, lambda: _without_version(served, make())))
        return ObjectResponse(served, outcome.record, 201)
    outcome = await backend.writes.write(Update(asked, lambda record: make()))
    return ObjectResponse(served, outcome.record)


def _without_version(served: ServedResource, value: Object) -> Object:
    """Raises Conflict for a value that states the uid of an object that is not there."""
    metadata = value["metadata"]
    if metadata.get("uid"):
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
        raise storage.conflict(served, metadata["name"], why)
    metadata.pop("resourceVersion", None)
    return value
