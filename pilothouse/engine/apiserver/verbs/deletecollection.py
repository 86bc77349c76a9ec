"""Delete what a list would show, one object after the other, and answer with that list."""

from dataclasses import replace
from typing import Any

from pilothouse.aio.tasks import each
from pilothouse.engine.apiserver.answer import ListResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import delete_options, listing
from pilothouse.engine.apiserver.verbs.list import collect
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write.delete import Delete
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import ApiError, NotFound

_AT_A_TIME = 16
_TASKS = 256


async def deletecollection(backend: Backend, request: ApiRequest, served: ServedResource) -> ListResponse:
    options = delete_options.read(request)
    wanted = listing.filter_of(request.query, served)
    page = listing.page_of(request.query, served.scope(request.namespace))
    found = await collect(backend.store, served, request.namespace, wanted, page)

    asked = write_request(request, served, dry_run=options.dry_run)

    async def remove_one(record: Record) -> None:
        metadata = record.peek()["metadata"]
        try:
            one = replace(asked, namespace=metadata.get("namespace", ""), name=metadata["name"])
            await backend.writes.write(Delete(one, options))
        except NotFound:
            return

    try:
        for start in range(0, len(found.records), _TASKS):
            await each([remove_one(record) for record in found.records[start : start + _TASKS]], limit=_AT_A_TIME)
    except ExceptionGroup as failures:
        refusals = failures.subgroup(ApiError)
        if refusals is None:
            raise
        raise _first(refusals) from failures
    return found


def _first(failures: BaseExceptionGroup[Any]) -> ApiError:
    """One of the reasons, for a client that can be told only one."""
    failure = failures.exceptions[0]
    if isinstance(failure, BaseExceptionGroup):
        return _first(failure)
    assert isinstance(failure, ApiError)
    return failure
