"""What other servers say of themselves in OpenAPI version 2, in our own document."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.apiserver.aggregator.described import described
from pilothouse.engine.apiserver.aggregator.description import merged, part
from pilothouse.engine.apiserver.discovery import gnostic
from pilothouse.model.json import Object, loads
from tests.engine.apiserver.aggregator.other import SLICES, Other
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.proxying.conftest import Person

PATH = "/apis/example.org/v1"


def reference(name: str) -> Object:
    return {"$ref": f"#/definitions/{name}"}


def document(**definitions: Object) -> Object:
    things = {"get": {"responses": {"200": {"schema": reference("Thing")}}}}
    paths = {f"{PATH}/things": things, f"{PATH}x/things": things, "/version": {"get": {"schema": reference("Other")}}}
    known = {"Thing": {"properties": {"meta": reference("Meta"), "self": reference("Thing")}}, "Meta": {"type": "object"}, "Other": {}}
    return {"swagger": "2.0", "paths": paths, "definitions": known | definitions}


def test_only_what_speaks_of_the_version_is_taken() -> None:
    found = part(document(), PATH)
    assert list(found["paths"]) == [f"{PATH}/things"]
    assert set(found["definitions"]) == {"Thing", "Meta"}


def test_a_definition_that_differs_gets_a_name_of_its_own_and_ours_stays() -> None:
    ours: Object = {"paths": {"/api": {}}, "definitions": {"Meta": {"type": "string"}, "Pod": reference("Meta")}}
    found = merged(ours, "v1.example.org", part(document(), PATH))
    assert found["definitions"]["Meta"] == {"type": "string"}
    assert found["definitions"]["Meta_v1.example.org"] == {"type": "object"}
    assert found["definitions"]["Thing"]["properties"]["meta"] == reference("Meta_v1.example.org")
    assert found["definitions"]["Pod"] == reference("Meta")
    assert set(found["paths"]) == {"/api", f"{PATH}/things"}


def test_a_definition_that_is_the_same_is_one() -> None:
    ours: Object = {"paths": {}, "definitions": {"Meta": {"type": "object"}}}
    assert set(merged(ours, "n", part(document(), PATH))["definitions"]) == {"Meta", "Thing"}


def _deep(depth: int) -> Object:
    found: Object = {}
    for _ in range(depth):
        found = {"properties": {"p": found}}
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"paths": [], "definitions": {}},
        {"paths": {f"{PATH}/": "x"}, "definitions": {}},
        {"paths": {f"{PATH}/": {"patch": {"parameters": [{"in": "query"}]}}}, "definitions": {}},
        {"paths": {f"{PATH}/": {"patch": "x"}}, "definitions": {}},
        document(Meta="none"),  # type: ignore[arg-type]
        document(Meta={"required": 7}),
        document(Meta={"properties": {"a": "b"}}),
        document(Meta={"type": ["object", 1]}),
        document(Meta=_deep(5000)),
    ],
)
def test_a_document_of_another_shape_is_left_out_as_a_whole(wrong: Object) -> None:
    assert described(wrong, "n", PATH, gnostic.body) is None


@pytest.mark.parametrize("accept", ["application/json", gnostic.ACCEPTED])
async def test_our_document_holds_what_others_say_as_long_as_they_are_there(
    registered: Other, api: Api, admin: Person, accept: str
) -> None:
    before = await admin.ask("/openapi/v2", f"Accept: {accept}")
    registered.documents = {"/openapi/v2": document()}
    await api.patch(f"{SLICES}/other-1", {"metadata": {"labels": {"x": "y"}}})

    async def asked() -> Any:
        return await admin.ask("/openapi/v2", f"Accept: {accept}")

    async with asyncio.timeout(20):
        while (found := await asked()).headers["etag"] == before.headers["etag"]:
            await asyncio.sleep(0.1)
    assert b"Thing" in found.body
    if accept == "application/json":
        assert f"{PATH}/things" in loads(found.body)["paths"]
        assert "io.k8s.api.core.v1.Pod" in loads(found.body)["definitions"]
    await api.delete("/apis/apiregistration.k8s.io/v1/apiservices/v1.example.org")
    assert (await asked()).headers["etag"] == before.headers["etag"]
