"""What OpenAPI documents say of custom resources."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import CRD, ONE, TWO, definition, redefine

NAME = "com.example.{}.Thing"
PRESERVE, EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"


async def published(api: Api, version: str = "v1", *, style: int = 3) -> Any:
    """The schema of the resource in a document, None where there is none."""
    if style == 2:
        return (await api.get("/openapi/v2"))["definitions"].get(NAME.format(version))
    index = (await api.get("/openapi/v3"))["paths"]
    if f"apis/example.com/{version}" not in index:
        return None
    return (await api.get(f"/openapi/v3/apis/example.com/{version}"))["components"]["schemas"].get(NAME.format(version))


def with_field(**schema: Any) -> Object:
    version = ONE | {"schema": {"openAPIV3Schema": {"type": "object", "properties": {"f": schema}}}}
    return definition(version)


@pytest.mark.parametrize("style", [2, 3])
async def test_every_served_version_is_published_and_goes_when_it_is_not_served_any_more(api: Api, style: int) -> None:
    await api.post(CRDS, definition(ONE, TWO))
    assert "address" in (await published(api, "v2", style=style))["properties"]["spec"]["properties"]
    await redefine(api, ONE, TWO | {"served": False})
    assert await published(api, "v2", style=style) is None
    assert await published(api, "v1", style=style) is not None
    await api.delete(CRD)
    assert await published(api, "v1", style=style) is None


@pytest.mark.parametrize("style", [2, 3])
async def test_the_fields_of_every_resource_are_explained_for_custom_ones_too(api: Api, style: int) -> None:
    await api.post(CRDS, with_field(type="object", properties={"size": {"type": "integer"}}, **{EMBEDDED: True}))
    fields = (await published(api, style=style))["properties"]
    for found in (fields, fields["f"]["properties"]):
        assert [found[name]["description"].split()[0] for name in ("apiVersion", "kind", "metadata")] == ["APIVersion", "Kind", "Standard"]


async def test_a_version_that_is_called_otherwise_is_published_under_its_new_name(api: Api) -> None:
    await api.post(CRDS, definition(ONE, TWO))
    await redefine(api, ONE, TWO | {"name": "v3"})
    assert (await published(api, "v2"), (await published(api, "v3"))["type"]) == (None, "object")


async def test_a_schema_that_keeps_everything_is_published_so_that_kubectl_takes_everything(api: Api) -> None:
    await api.post(CRDS, definition(ONE | {"schema": {"openAPIV3Schema": {"type": "object", PRESERVE: True}}}))
    found = await published(api, style=2)
    assert (found["type"], "properties" in found) == ("object", False)
    assert (await published(api))[PRESERVE] is True


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"type": "object", "nullable": True, "properties": {"a": {"type": "string"}}}, {}),
        ({"type": "object", PRESERVE: True, "properties": {"a": {"type": "string"}}}, {PRESERVE: True}),
        ({"type": "array", "items": {"type": "string"}, "nullable": True}, {}),
        ({"type": "string", "anyOf": [{"minLength": 1}], "not": {"maxLength": 3}}, {"type": "string"}),
    ],
)
async def test_what_version_2_cannot_say_is_left_out(api: Api, field: Object, expected: Object) -> None:
    await api.post(CRDS, with_field(**field))
    assert (await published(api, style=2))["properties"]["f"] == expected
    assert (await published(api))["properties"]["f"] == field


async def test_an_object_inside_has_a_type_and_metadata(api: Api) -> None:
    await api.post(CRDS, with_field(type="object", **{EMBEDDED: True, PRESERVE: True}))
    found = (await published(api))["properties"]["f"]
    assert (sorted(found["properties"]), found["required"]) == (["apiVersion", "kind", "metadata"], ["kind", "apiVersion"])


async def test_fields_that_may_be_selected_are_named(api: Api) -> None:
    await api.post(CRDS, definition(ONE | {"selectableFields": [{"jsonPath": ".spec.port"}, {"jsonPath": ".spec.host"}]}))
    assert (await published(api))["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.host"}, {"fieldPath": "spec.port"}]
