"""The end of the chain: find what serves an authorized request, negotiate, carry it out, and hand the answer to the outlet."""

from typing import Any

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.aggregator.forwarding import Forwarder
from pilothouse.engine.apiserver.answer import DocumentResponse, ObjectResponse, RawResponse, StreamResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.chain.routes import Answer, Verb, is_long_running, verb_for
from pilothouse.engine.apiserver.chain.stage import Outlet
from pilothouse.engine.apiserver.discovery.documents import Documents, page_not_found
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request.lookup import check_namespace, served_at
from pilothouse.engine.apiserver.request.negotiate import Accepted, choose, choose_stream
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.request.routing import version_of
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources import connecting
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import storage
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import ApiError

_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_DEPRECATED = "k8s.io/deprecated"
_LISTS = ("list", "deletecollection")


class Dispatch:
    """beside: for bodies that take long to be parsed."""

    def __init__(self, backend: Backend, documents: Documents, forwarder: Forwarder, outlet: Outlet, beside: Beside) -> None:
        self._forwarder = forwarder
        self._backend = backend
        self._documents = documents
        self._outlet = outlet
        self._beside = beside

    async def __call__(self, request: ApiRequest) -> Any:
        """Raises ApiError."""
        answer, accepted = await self._answer(request)
        request.status = answer.status if isinstance(answer, ObjectResponse | DocumentResponse | RawResponse | StreamResponse) else 200
        if request.audit is not None:
            request.audit.answered(answer, is_long=is_long_running(request))
        return await self._outlet.deliver(request, answer, accepted)

    async def _answer(self, request: ApiRequest) -> tuple[Answer, Accepted]:
        if (other := self._answered_by(request)) is not None:
            return await self._forwarder.forward(request, other, is_long=is_long_running(request)), Accepted()
        if not request.target.is_resource:
            await self._documents.prepare(request, self._beside)
            answer = self._documents.answer(request)
            return answer, Accepted() if isinstance(answer, RawResponse) else choose(request.accept, tables=False)
        if self._is_no_page(request):
            return page_not_found(), Accepted()
        if not request.too_large and request.target.subresource != "proxy":
            await bodies.prepare(request, self._beside)
        return await carry_out(self._backend, request)

    def _answered_by(self, request: ApiRequest) -> Registration | None:
        """The other server that answers, None where this one does."""
        target, table = request.target, self._backend.table
        if target.is_resource:
            return table.foreign_at(target.group, target.version)
        place = version_of(target.path)
        return None if place is None else table.foreign_at(*place)

    def _is_no_page(self, request: ApiRequest) -> bool:
        """A group that nobody serves, a version of a custom group, a custom resource of the cluster in a namespace: nothing is there
        that could answer with a Status."""
        table, target = self._backend.table, request.target
        if not table.has_group(target.group):
            return True
        served = table.find(target.group, target.version, target.resource)
        if served is not None and served.custom and target.in_namespace and not served.resource.namespaced:
            return True
        return table.is_custom(target.group) and target.version not in table.versions(target.group)


async def carry_out(backend: Backend, request: ApiRequest) -> tuple[Answer, Accepted]:
    """Carry out an authorized request for a resource; raises ApiError."""
    served = served_at(request.target, backend.table)
    verb = verb_for(request.method, request.verb, request.target, served)
    if request.verb != "create":
        check_namespace(request.target, served)
    if served.kind.deprecation:
        request.warn(served.kind.deprecation)
        request.annotate(_DEPRECATED, "true")
    subresource = served.kind.subresources.get(request.target.subresource)
    is_stream = subresource is not None and subresource.streams
    accepted = Accepted() if is_stream else _negotiated(request, served)
    if subresource is not None and subresource.connects:
        attempt = write_request(request, served, dry_run=False).attempt("CONNECT", connecting.options_of(request), None)
        await backend.admission.admit(attempt)
        connecting.take(request, attempt.new())
    if request.verb in _WRITES and not is_stream:
        answer = await _write(verb, backend, request, served)
        if request.seat is not None:
            # One commit answers many: what is left to do for them is not done in one turn of the loop.
            await request.seat.rejoin()
        return answer, accepted
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


def _negotiated(request: ApiRequest, served: ServedResource) -> Accepted:
    """Raises NotAcceptable."""
    custom = served.custom
    protobuf = not custom and served.kind.openapi is None
    if request.verb == "watch":
        return choose_stream(request.accept, custom=custom, protobuf=protobuf)
    lists, tables = request.verb in _LISTS, _is_shown_as_table(request, served)
    return choose(request.accept, lists=lists, tables=tables, custom=custom, protobuf=protobuf)


def _is_shown_as_table(request: ApiRequest, served: ServedResource) -> bool:
    """Only what can be read has rows: not the answers to reviews, bindings, evictions and requests for tokens."""
    subresource = served.kind.subresources.get(request.target.subresource)
    return "list" in served.resource.verbs if subresource is None else "get" in subresource.verbs
