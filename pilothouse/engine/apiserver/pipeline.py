"""The stages a request goes through once it is known who asks: authorize, find, negotiate, carry out."""

from pilothouse.aio.tasks import completed
from pilothouse.engine.apiserver import dispatch, storage
from pilothouse.engine.apiserver import query as queries
from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.answer import One, Plain
from pilothouse.engine.apiserver.authz.reviews import REVIEWS
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.dispatch import Answer, Verb
from pilothouse.engine.apiserver.negotiate import Accepted, choose, choose_stream
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.routing import verb_of
from pilothouse.engine.apiserver.served import Served
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import ApiError

_CONNECTS = ("exec", "attach", "portforward")
_STREAMS = ("log", *_CONNECTS)
_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_LISTS = ("list", "deletecollection")


def find_verb(request: ApiRequest) -> str:
    """The verb of authorization; a collection read with `watch` (in any form that is not false) is a watch."""
    verb = verb_of(request.method, request.target)
    if verb == "list" and (request.target.deprecated_watch or queries.boolean(request.query, "watch")):
        return "watch"
    return "watch" if verb == "get" and request.target.deprecated_watch else verb


async def run(backend: Backend, request: ApiRequest) -> tuple[Answer, Accepted]:
    """Carry out an authorized request for a resource; raises ApiError."""
    served = dispatch.served_at(request.target, backend.table)
    review = REVIEWS.get(served.resource.group_resource)
    if review is not None:
        return await _review(backend, request, served), choose(request.accept)
    verb = dispatch.verb_for(request.method, request.verb, request.target, served)
    accepted = _accepted(request, served)
    if served.deprecation:
        request.warn(served.deprecation)
    if _is_write(request):
        # WHY to its end: a queued write stands when its caller is cancelled, and what it has reserved is free once it is committed.
        return await completed(_carry_out(verb, backend, request, served)), accepted
    if request.target.subresource in _CONNECTS:
        target = request.target
        backend.admission.run(
            Attributes("CONNECT", served, target.namespace, target.name, request.user, subresource=target.subresource, warn=request.warn)
        )
    return await verb(backend, request, served), accepted


async def _carry_out(verb: Verb, backend: Backend, request: ApiRequest, served: Served) -> Answer:
    """The answer to a write, which may rest on another write that is still on its way to disk.

    Nobody may learn from a refusal, or from an update that changes nothing, of what a power cut could take back or a read does not show.
    """
    try:
        answer = await verb(backend, request, served)
    except ApiError:
        await storage.settled(backend.store)
        raise
    if isinstance(answer, One) and isinstance(answer.record, Record):
        await storage.durable(backend.store, answer.record)
    return answer


def _is_write(request: ApiRequest) -> bool:
    return request.verb in _WRITES and request.target.subresource not in _STREAMS


async def _review(backend: Backend, request: ApiRequest, served: Served) -> Plain:
    target = request.target
    if target.name or target.subresource:
        raise dispatch.unknown()
    if request.method != "POST" or (served.resource.namespaced and not target.namespace):
        raise dispatch.not_allowed()
    choose(request.accept)
    return await REVIEWS[served.resource.group_resource](backend, request, served)


def _accepted(request: ApiRequest, served: Served) -> Accepted:
    if request.target.subresource in _STREAMS:
        return Accepted()
    if request.verb == "watch":
        return choose_stream(request.accept)
    return choose(request.accept, lists=request.verb in _LISTS)
