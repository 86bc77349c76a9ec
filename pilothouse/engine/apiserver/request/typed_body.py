"""Bodies of kinds that are never stored (Scale, Eviction, Binding, TokenRequest, reviews)."""

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Schema

_LARGE_PARTS = 4_000
"""Of values, each of which takes some microseconds to be decoded."""


async def read(
    request: ApiRequest, resource: Resource, *, schema: Schema, table: ServedResources, strictness: str, beside: Beside
) -> Object:
    """The decoded body, without its type; of a large one, worked out beside the event loop. Raises BadRequest."""

    def decoded() -> Object:
        found = decode.document(request, resource.kind)
        decode.check_type(found, resource, table)
        return decode.value_of(request, found, resource, schema.decode, strictness)

    return await beside.run(decoded, is_large=bodies.parts_of(request) > _LARGE_PARTS)
