"""Delete what a list would show, one object after the other, and answer with that list."""

import asyncio
from dataclasses import replace
from functools import partial

from pilothouse.aio.tasks import each
from pilothouse.engine.apiserver.admission.context import Budget
from pilothouse.engine.apiserver.answer import ListResponse, Stored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import delete_options, listing
from pilothouse.engine.apiserver.verbs.list import collect
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write.delete import Delete
from pilothouse.model.errors import ApiError, NotFound

_AT_A_TIME = 16
_TASKS = 256


async def deletecollection(backend: Backend, request: ApiRequest, served: ServedResource) -> ListResponse:
    options = delete_options.read(request)
    delete_options.warn_of_orphans(request, served, options)
    wanted = await listing.filter_of_request(backend, request, served)
    page = listing.page_of(request.query, served.scope(request.namespace))
    found = await collect(backend.store, served, request.namespace, wanted, page, turn=request.turn)

    asked = write_request(request, served, dry_run=options.dry_run)
    refusals: list[ApiError] = []
    beginning = asyncio.Lock()

    async def remove_one(record: Stored) -> None:
        """After a refusal none is begun any more; those that are under way are carried out.

        One begins in each turn of the loop: until it waits for the disk, a large object takes as long as many requests.
        """
        async with beginning:
            await request.turn()
        if refusals:
            return
        metadata = record.peek()["metadata"]
        try:
            one = replace(asked, namespace=metadata.get("namespace", ""), name=metadata["name"], conditions=Budget())
            await backend.writes.write(Delete(one, options))
        except NotFound:
            return
        except ApiError as error:
            refusals.append(error)

    for start in range(0, len(found.records), _TASKS):
        some = found.records[start : start + _TASKS]
        await each([request.charged(partial(remove_one, record)) for record in some], limit=_AT_A_TIME)
        if refusals:
            raise refusals[0]
    return found
