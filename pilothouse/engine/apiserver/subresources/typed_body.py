"""Bodies of kinds that are never stored (Scale, Eviction, Binding, TokenRequest, reviews)."""

from pilothouse.engine.apiserver import decode
from pilothouse.engine.apiserver import query as queries
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


def read(backend: Backend, request: ApiRequest, resource: Resource, definition: str) -> Object:
    """The decoded body, without its type; raises BadRequest."""
    found = decode.document(request, resource.kind)
    decode.check_type(found, resource, backend.table)
    strictness = queries.field_validation(request.query, "CreateOptions")
    return decode.value_of(request, found, resource, backend.schemas.schema(definition).decode, strictness)
