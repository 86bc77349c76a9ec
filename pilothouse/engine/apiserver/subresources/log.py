"""pods/log: what a container has written, as far back and as long as the client wants."""

from pilothouse.engine.apiserver.answer import RawResponse, StreamResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.nodes import LogOptions
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources import container
from pilothouse.model.errors import Cause, Invalid

_FIELDS = (
    ("tailLines", "must be greater than or equal to 0", 0),
    ("limitBytes", "must be greater than 0", 1),
    ("sinceSeconds", "must be greater than 0", 1),
)


async def get(backend: Backend, request: ApiRequest, served: ServedResource) -> StreamResponse | RawResponse:
    options = _options(request)
    pod = container.pod_of(backend, request, served)
    name = container.choose(pod, request.option("container"))
    if not container.scheduled(pod):
        return RawResponse(b"", "", 204)
    return StreamResponse(container.connector(backend, pod).logs(pod, name, options), as_messages=True)


def _options(request: ApiRequest) -> LogOptions:
    query = request.query
    numbers = {field: queries.integer(query, field) for field, _, _ in _FIELDS}
    causes = [
        Cause(field, "FieldValueInvalid", f"Invalid value: {value}: {problem}")
        for field, problem, least in _FIELDS
        if (value := numbers[field]) is not None and value < least
    ]
    if numbers["sinceSeconds"] is not None and request.option("sinceTime"):
        causes = [cause for cause in causes if cause.field != "sinceSeconds"]
        causes.append(Cause("[]", "FieldValueForbidden", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if causes:
        raise Invalid.of("PodLogOptions", request.name, causes)
    return LogOptions(
        follow=queries.boolean(query, "follow"),
        previous=queries.boolean(query, "previous"),
        timestamps=queries.boolean(query, "timestamps"),
        since_s=numbers["sinceSeconds"],
        since=request.option("sinceTime"),
        tail=numbers["tailLines"],
        limit_bytes=numbers["limitBytes"],
        stream=request.option("stream") or "All",
    )
