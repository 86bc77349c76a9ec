"""The end of the chain: find what serves an authorized request, negotiate, carry it out, and hand the answer to the outlet."""

import asyncio
from typing import Any

from pilothouse.engine.apiserver.answer import DocumentResponse, ObjectResponse, RawResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.chain.routes import Answer, Verb, verb_for
from pilothouse.engine.apiserver.chain.stage import Outlet
from pilothouse.engine.apiserver.discovery.documents import Documents, page_not_found
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request.lookup import served_at
from pilothouse.engine.apiserver.request.negotiate import Accepted, choose, choose_stream
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import storage
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import ApiError

_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_LISTS = ("list", "deletecollection")


class Dispatch:
    """slots: for bodies that are parsed in a thread, so many at a time."""

    def __init__(self, backend: Backend, documents: Documents, outlet: Outlet, slots: asyncio.Semaphore) -> None:
        self._backend = backend
        self._documents = documents
        self._outlet = outlet
        self._slots = slots

    async def __call__(self, request: ApiRequest) -> Any:
        """Raises ApiError."""
        answer, accepted = await self._answer(request)
        request.status = answer.status if isinstance(answer, ObjectResponse | DocumentResponse | RawResponse) else 200
        return await self._outlet.deliver(request, answer, accepted)

    async def _answer(self, request: ApiRequest) -> tuple[Answer, Accepted]:
        if not request.target.is_resource:
            answer = self._documents.answer(request)
            return answer, Accepted() if isinstance(answer, RawResponse) else choose(request.accept, tables=False)
        if self._is_no_page(request):
            return page_not_found(), Accepted()
        if not request.too_large:
            await bodies.prepare(request, self._slots)
        return await carry_out(self._backend, request)

    def _is_no_page(self, request: ApiRequest) -> bool:
        """A group that nobody serves, or a version of a custom group: nothing is there that could answer with a Status."""
        table, target = self._backend.table, request.target
        if not table.has_group(target.group):
            return True
        return table.is_custom(target.group) and target.version not in table.versions(target.group)


async def carry_out(backend: Backend, request: ApiRequest) -> tuple[Answer, Accepted]:
    """Carry out an authorized request for a resource; raises ApiError."""
    served = served_at(request.target, backend.table)
    verb = verb_for(request.method, request.verb, request.target, served)
    subresource = served.kind.subresources.get(request.target.subresource)
    is_stream = subresource is not None and subresource.streams
    accepted = Accepted() if is_stream else _negotiated(request)
    if served.kind.deprecation:
        request.warn(served.kind.deprecation)
    if subresource is not None and subresource.connects:
        await backend.admission.admit(write_request(request, served, dry_run=False).attempt("CONNECT", None, None))
    if request.verb in _WRITES and served.kind.is_stored and not is_stream:
        return await _write(verb, backend, request, served), accepted
    return await verb(backend, request, served), accepted


async def _write(verb: Verb, backend: Backend, request: ApiRequest, served: ServedResource) -> Answer:
    """The answer to a write, which may rest on another write that is still on its way to disk.

    Nobody may learn from a refusal, or from an update that changes nothing, of what a power cut could take back or a read does not show.
    """
    try:
        answer = await verb(backend, request, served)
    except ApiError:
        await storage.settled(backend.store)
        raise
    if isinstance(answer, ObjectResponse) and isinstance(answer.record, Record):
        await storage.durable(backend.store, answer.record)
    return answer


def _negotiated(request: ApiRequest) -> Accepted:
    """Raises NotAcceptable."""
    if request.verb == "watch":
        return choose_stream(request.accept)
    return choose(request.accept, lists=request.verb in _LISTS)
