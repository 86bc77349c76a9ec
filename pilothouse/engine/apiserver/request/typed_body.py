"""Bodies of kinds that are never stored (Scale, Eviction, Binding, TokenRequest, reviews)."""

from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Schema


def read(request: ApiRequest, resource: Resource, schema: Schema, table: ServedResources) -> Object:
    """The decoded body, without its type; raises BadRequest."""
    found = decode.document(request, resource.kind)
    decode.check_type(found, resource, table)
    strictness = queries.field_validation(request.query, "CreateOptions")
    return decode.value_of(request, found, resource, schema.decode, strictness)
