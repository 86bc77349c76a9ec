"""What a write may not do: answer before it is on disk, take one value for another, reach further than its URL."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.store.store import Store
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition

LOOSE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


async def use(api: Api, *, scope: str = "Namespaced", schema: dict[str, Any] = LOOSE) -> None:
    wanted = definition(schema={"openAPIV3Schema": schema})
    wanted["spec"]["scope"] = scope
    await api.post(CRDS, wanted)


def thing(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, **fields}


async def test_a_collection_is_deleted_in_one_namespace_only(api: Api, https: Https) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await grant(api, "cleaner", rule("list deletecollection", "configmaps"))
    cleaner = https.certified("cleaner")
    assert (await cleaner.refused("DELETE", "/api/v1/configmaps")).code == 405
    assert "a" in await api.names(CONFIGMAPS)
    await cleaner.delete(CONFIGMAPS)
    assert await api.names(CONFIGMAPS) == []


async def test_true_and_one_are_two_values(api: Api) -> None:
    await use(api)
    made = await api.post(THINGS, thing(flag=1, part=1.0))
    changed = await api.patch(f"{THINGS}/t", {"flag": True})
    assert changed["flag"] is True
    assert changed["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert type((await api.patch(f"{THINGS}/t", {"part": 1}))["part"]) is int


async def test_true_and_one_are_two_values_of_a_status(api: Api) -> None:
    """Whose changes raise no generation."""
    wanted = definition(schema={"openAPIV3Schema": LOOSE}, subresources={"status": {}})
    await api.post(CRDS, wanted)
    await api.post(THINGS, thing())
    first = await api.patch(f"{THINGS}/t/status", {"status": {"flag": 1}})
    changed = await api.patch(f"{THINGS}/t/status", {"status": {"flag": True}})
    assert changed["status"]["flag"] is True
    assert changed["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]


async def test_an_update_that_changes_nothing_is_answered_with_what_is_on_disk(api: Api, store: Store) -> None:
    await api.post(CONFIGMAPS, configmap("a", x="1"))
    first = asyncio.create_task(api.patch(f"{CONFIGMAPS}/a", {"data": {"x": "2"}}))
    await asyncio.sleep(0)
    answer = await api.patch(f"{CONFIGMAPS}/a", {"data": {"x": "2"}})
    assert int(answer["metadata"]["resourceVersion"]) <= store.revision
    assert (await api.get(f"{CONFIGMAPS}/a"))["data"] == answer["data"] == (await first)["data"]


async def test_a_yaml_body_is_a_body(api: Api) -> None:
    text = b"metadata: {name: file}\ndata:\n  x: '1'\n"
    assert (await api.call("POST", CONFIGMAPS, text, "application/yaml"))["data"] == {"x": "1"}
    changed = text.replace(b"'1'", b"'2'")
    assert (await api.call("PUT", f"{CONFIGMAPS}/file", changed, "application/yaml"))["data"] == {"x": "2"}
    twice = b"metadata: {name: z}\ndata: {x: '1', x: '2'}\n"
    error = await api.refused("POST", CONFIGMAPS, twice, "application/yaml", fieldValidation="Strict")
    assert 'key "x" already set in map' in error.message
    huge = b"metadata: {name: z, generation: " + b"9" * 5000 + b"}"
    assert (await api.refused("POST", CONFIGMAPS, huge, "application/yaml")).code == 400


async def test_a_custom_resource_that_looks_like_a_namespace_is_none(api: Api) -> None:
    await use(api, scope="Cluster")
    path = "/apis/example.com/v1/things"
    await api.post(path, thing(spec={"finalizers": ["x"]}, status={"phase": "Active"}))
    await api.delete(f"{path}/t")
    assert await api.names(path) == []


async def test_nothing_is_made_of_a_definition_that_is_being_deleted(api: Api) -> None:
    await use(api)
    held = thing(spec={"size": 1})
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.post(THINGS, held)
    await api.delete(f"{CRDS}/things.example.com")
    late = thing(spec={"size": 1}) | {"metadata": {"name": "late"}}
    error = await api.refused("POST", THINGS, late)
    assert (error.code, error.message) == (405, "create not allowed while custom resource definition is terminating")
    await api.patch(f"{THINGS}/t", {"metadata": {"finalizers": None}})
    assert await api.names(CRDS) == []


@pytest.mark.parametrize("number", ["\u00b2", "\u0663", "9" * 5000, "-1", "0x1"])
@pytest.mark.parametrize("option", ["resourceVersion", "limit"])
async def test_a_number_that_is_none_is_the_clients_mistake(api: Api, number: str, option: str) -> None:
    error = await api.refused("GET", CONFIGMAPS, **{option: number}) if (option, number) != ("limit", "-1") else None
    assert error is None or (error.code == 400 and "strconv.Parse" in error.message)


async def test_a_version_of_too_many_digits_is_told_apart(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    for method, path, body in (
        ("GET", f"{CONFIGMAPS}/a", None),
        ("PUT", f"{CONFIGMAPS}/a", {"metadata": {"name": "a", "resourceVersion": "\u00b2"}}),
    ):
        error = await api.refused(method, path, body, resourceVersion="\u00b2")
        assert "strconv.ParseUint" in error.message


async def test_pages_of_a_stated_version_show_that_version(api: Api) -> None:
    version = (await api.post(CONFIGMAPS, configmap("a")))["metadata"]["resourceVersion"]
    await api.delete(f"{CONFIGMAPS}/a")
    assert await api.names(CONFIGMAPS, limit="5", resourceVersion=version) == ["a"]
