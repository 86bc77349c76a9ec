"""Every operation that OpenAPI documents is served, and none fails inside, whatever is sent to it."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.client.transport import APPLY_PATCH, JSON, JSON_PATCH
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.people import MASTER

TEXTS = ["", "a", "A b", "1", "-1", "\x00", "None", "Always", "10.0.0.1", "100m", "1970-01-01T00:00:00Z", "*", "example.com/x", "x" * 300]
NUMBERS = [0, 1, -1, 80, 65536, 2**31, 2**40]
ODD = [None, 1, "x", [], {}, True, 1.5, [1], {"a": 1}]
QUERIES = {"string": ["", "1", "x", "a=b", "All", "Orphan", "Strict"], "integer": ["", "0", "1", "-1", "x"], "boolean": ["true", "", "x"]}
PATHS = ["/metadata/labels", "/spec", "", "/x/-", "/spec/containers/0/image"]


class Sender:
    """Makes values that have the shape of a schema, mostly; the same ones for the same seed."""

    def __init__(self, document: Object, seed: int) -> None:
        self.definitions = document["definitions"]
        self.random = random.Random(seed)

    def value(self, schema: Object, depth: int = 0) -> Any:
        pick = self.random.choice
        if self.random.random() < 0.03 or depth > 8:
            return pick(ODD)
        if "$ref" in schema:
            return self.value(self.definitions[schema["$ref"].rpartition("/")[2]], depth)
        match schema.get("type"):
            case "array":
                return [self.value(schema.get("items", {}), depth + 1) for _ in range(pick([0, 1, 2]))]
            case "integer" | "number":
                return pick(NUMBERS)
            case "boolean":
                return pick([True, False])
            case "string":
                return pick(TEXTS)
        return self._object(schema, depth)

    def _object(self, schema: Object, depth: int) -> Object:
        properties = schema.get("properties") or {}
        if not properties:
            return {self.random.choice(TEXTS): self.value(schema.get("additionalProperties") or {"type": "string"}, depth + 1)}
        share = min(0.7, 3 / len(properties))
        taken = [name for name in properties if name in schema.get("required", ()) or self.random.random() < share]
        return {name: self.value(properties[name], depth + 1) for name in taken}

    def body(self, operation: Object, content_type: str) -> Any:
        parameter = next((each for each in operation.get("parameters", ()) if each["in"] == "body"), None)
        if parameter is None:
            return None
        answer = operation["responses"]["200"]["schema"]
        value = self.value(answer if operation["x-kubernetes-action"] == "patch" else parameter["schema"])
        if content_type == JSON_PATCH:
            return [{"op": self.random.choice(["add", "remove", "replace", "x"]), "path": self.random.choice(PATHS), "value": value}]
        if not isinstance(value, dict):
            return value
        stated = _type_of(operation) if content_type == APPLY_PATCH else {}
        return value | {"metadata": {"name": "a", "labels": {"a": "b"}}} | stated

    def query(self, parameters: list[Object]) -> dict[str, str]:
        chosen = [each for each in parameters if each["in"] == "query" and self.random.random() < 0.1]
        return {each["name"]: self.random.choice(QUERIES[each["type"]]) for each in chosen} | {"fieldManager": "m"}


def _type_of(operation: Object) -> Object:
    kind = operation["x-kubernetes-group-version-kind"]
    return {"apiVersion": f"{kind['group']}/{kind['version']}".strip("/"), "kind": kind["kind"]}


def operations(document: Object) -> Iterator[tuple[str, str, Object, list[Object]]]:
    """What ends by itself: path, method, operation, the path's own parameters."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            streams = "/watch/" in path or path.endswith("/log") or operation_of(operation) == "connect"
            if method != "parameters" and not streams:
                yield path.replace("{namespace}", "default").replace("{name}", "a"), method.upper(), operation, item.get("parameters", [])


def operation_of(operation: Any) -> str:
    return operation.get("x-kubernetes-action", "") if isinstance(operation, dict) else ""


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_documented_operation_is_served_and_none_fails_inside(server: ApiServer, seed: int) -> None:
    api = Api(server, MASTER)
    document = await api.get("/openapi/v2")
    sender = Sender(document, seed)
    for path, method, operation, shared in operations(document):
        content_type = sender.random.choice(operation["consumes"]) if method == "PATCH" else JSON
        query = sender.query(operation.get("parameters", []) + shared)
        body = sender.body(operation, content_type)
        error = await failure(api, method, path, body, content_type, query)
        said = f"{method} {path} {content_type} {query} {str(body)[:500]}: {error}"
        assert error is None or error.code not in (405, 501), said
        assert "could not find the requested resource" not in str(error), said
        assert error is None or error.code < 500 or error.reason == "", said


async def failure(api: Api, method: str, path: str, body: Any, content_type: str, query: dict[str, str]) -> ApiError | None:
    try:
        await api.call(method, path, body, content_type, **{**query, "watch": "false"})
    except ApiError as error:
        return error
    return None
