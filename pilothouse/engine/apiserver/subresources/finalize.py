"""namespaces/finalize: the only way to change a namespace's spec.finalizers; the last one taken out ends a dying namespace."""

import copy

from pilothouse.engine.apiserver.answer import ObjectResponse, Stored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import check_identity, write_request
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.model.json import Object

_OPTIONS = "UpdateOptions"


async def finalize(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    dry_run, strictness, _ = queries.write_options(request.query, _OPTIONS)
    wanted = decode.new_value(request, served, backend.table, strictness)
    check_identity(request, served, wanted)

    def make(record: Stored) -> Object:
        value = copy.deepcopy(record.value)
        value["metadata"].pop("resourceVersion", None)
        if version := wanted["metadata"].get("resourceVersion"):
            value["metadata"]["resourceVersion"] = version
        finalizers = (wanted.get("spec") or {}).get("finalizers")
        value["spec"] = {"finalizers": finalizers} if finalizers else {}
        return value

    outcome = await backend.writes.write(Update(write_request(request, served, dry_run=dry_run), make))
    return ObjectResponse(served, outcome.record)
