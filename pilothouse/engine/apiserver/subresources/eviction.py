"""pods/eviction: a delete that asks the pod's disruption budget first, and says to the pod that it is evicted.

What an eviction takes from a budget is taken by compare and swap, so that of several at once only as many succeed as there is room for.
"""

import copy
from dataclasses import replace

from pilothouse.engine.apiserver.answer import DocumentResponse, Stored, success
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources import disruptions
from pilothouse.engine.apiserver.verbs import delete_options
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import object_meta, storage
from pilothouse.engine.apiserver.write.change import WriteRequest
from pilothouse.engine.apiserver.write.delete import Delete, check_preconditions
from pilothouse.engine.apiserver.write.deletion import Options
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.model import meta
from pilothouse.model.errors import BadRequest, Conflict
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODDISRUPTIONBUDGETS
from pilothouse.model.resource import Resource

EVICTION = Resource("policy", "v1", "evictions", "Eviction")
_DEFINITION = "io.k8s.api.policy.v1.Eviction"


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run, strictness, _ = queries.write_options(request.query, "CreateOptions")
    eviction = await typed_body.read(
        request, EVICTION, schema=backend.schemas.schema(_DEFINITION), table=backend.table, strictness=strictness, beside=backend.beside
    )
    if eviction["metadata"].get("name", "") != request.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    object_meta.set_namespace(eviction, request.namespace, served.resource.namespaced)
    storage.existing(backend.store, served, request.namespace, request.name)
    asked = write_request(request, served, dry_run=dry_run)
    attempt = asked.attempt("CREATE", eviction, None)
    await backend.admission.admit(attempt)
    options = delete_options.of(attempt.new().get("deleteOptions") or {})
    options = replace(options, dry_run=dry_run or options.dry_run)
    await _evict(backend, replace(asked, dry_run=options.dry_run, is_admitted=True), options)
    return DocumentResponse(success(code=201), 201)


async def _evict(backend: Backend, asked: WriteRequest, options: Options) -> None:
    """Raises ApiError: 429 where the budget has no room for it."""
    pod = storage.latest(backend.store, asked.served, asked.namespace, asked.name).value
    # What the pod's deletion would refuse is refused before the budget is asked.
    check_preconditions(asked.served, pod, options)
    budget = None if disruptions.is_free(pod) else _budget(backend, pod)
    if budget is not None and disruptions.costs_nothing(budget, pod):
        try:
            await _delete(backend, asked, replace(options, version=options.version or meta.resource_version(pod)))
        except Conflict:
            if options.version is not None:
                raise
            # It may have become ready meanwhile.
            raise disruptions.still_processed(meta.name(budget)) from None
        return
    if budget is not None:
        await _spend(backend, asked, budget, meta.name(pod))
    await _delete(backend, asked, options)


def _budget(backend: Backend, pod: Object) -> Object | None:
    return disruptions.budget_of(pod, Objects(backend.store).all(PODDISRUPTIONBUDGETS, meta.namespace(pod)))


async def _spend(backend: Backend, asked: WriteRequest, budget: Object, pod: str) -> None:
    row = backend.table.find(PODDISRUPTIONBUDGETS.group, PODDISRUPTIONBUDGETS.version, PODDISRUPTIONBUDGETS.plural)
    assert row is not None, "budgets are always served"
    if asked.dry_run:
        disruptions.spent(budget, pod, backend.timestamp())
        return

    def make(record: Stored) -> Object:
        value = copy.deepcopy(record.value)
        return value | {"status": disruptions.spent(value, pod, backend.timestamp())}

    await backend.writes.write(Update(replace(asked, served=row, name=meta.name(budget), subresource="status"), make))


async def _delete(backend: Backend, asked: WriteRequest, options: Options) -> None:
    if not options.dry_run:
        options = await _mark(backend, asked, options)
    await backend.writes.write(Delete(replace(asked, subresource=""), options))


async def _mark(backend: Backend, asked: WriteRequest, options: Options) -> Options:
    """Say to the pod that it is evicted; returns the options with the version that it has by that."""
    now = backend.timestamp()

    def make(record: Stored) -> Object:
        value = copy.deepcopy(record.value)
        check_preconditions(asked.served, value, options)
        status = value.setdefault("status", {})
        status["conditions"] = meta.with_condition(status.get("conditions"), disruptions.TARGET, now)
        return value

    marked = await backend.writes.write(Update(replace(asked, subresource="status"), make))
    return options if options.version is None else replace(options, version=meta.resource_version(marked.record.value))
