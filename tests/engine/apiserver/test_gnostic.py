"""OpenAPI version 2 as older clients read it, decoded by the field numbers of gnostic's OpenAPIv2.proto."""

from collections.abc import Iterator

from pilothouse.engine.apiserver.discovery.gnostic import encode
from pilothouse.model.json import Object, loads
from tests.engine.apiserver.api import Api

GVK = "x-kubernetes-group-version-kind"


def fields(data: bytes, number: int) -> Iterator[bytes]:
    """The values of one field of a message that has none but those with a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        size, at = varint(data, at)
        if key == number << 3 | 2:
            yield data[at : at + size]
        at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return value, at


def inner(data: bytes, *numbers: int) -> bytes:
    for number in numbers:
        data = next(fields(data, number))
    return data


def asked_of_patches(document: bytes) -> dict[str, tuple[Object, list[str]]]:
    """Path -> (kind, names of query parameters)."""
    found = {}
    for path in fields(inner(document, 8), 2):
        patch = inner(path, 2, 8)
        kind = loads(inner(patch, 13, 2, 2))
        found[inner(path, 1).decode()] = (kind, [inner(each, 1, 2, 3, 4).decode() for each in fields(patch, 8)])
    return found


def test_a_patch_tells_its_kind_and_what_may_be_asked_of_it() -> None:
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    parameters = [{"name": "dryRun", "in": "query", "type": "string"}, {"name": "body", "in": "body", "schema": {}}]
    paths: Object = {"/a": {"patch": {GVK: kind, "parameters": parameters}, "get": {}}, "/b": {"get": {}}}
    document = encode({"swagger": "2.0", "info": {"title": "t", "version": "v"}, "paths": paths, "definitions": {}})
    assert asked_of_patches(document) == {"/a": (kind, ["dryRun"])}


async def test_every_kind_that_can_be_patched_can_be_in_a_dry_run(api: Api) -> None:
    document = await api.get("/openapi/v2")
    found = asked_of_patches(encode(document))
    assert found.keys() == {path for path, item in document["paths"].items() if "patch" in item}
    assert {path for path, (_, queries) in found.items() if "dryRun" not in queries} == {path for path in found if "/proxy" in path}
    kinds = {(kind["group"], kind["kind"]) for kind, _ in found.values()}
    assert {("", "Pod"), ("", "Namespace"), ("apps", "Deployment")} <= kinds
