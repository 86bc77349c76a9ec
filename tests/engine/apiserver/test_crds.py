"""Custom resources, from their definition to their end."""

from typing import Any

from tests.engine.apiserver.api import Api

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.com/v1/namespaces/default/things"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 1, "minimum": 0}}},
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}


def definition(**version: Any) -> dict[str, Any]:
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, **version}]
    names = {"plural": "things", "kind": "Thing"}
    return {
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions},
    }


def thing(name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, **fields}


async def test_a_definition_is_served_once_it_is_answered(api: Api) -> None:
    await api.post(CRDS, definition())
    assert await api.names(THINGS) == []
    groups = await api.get("/apis")
    assert "example.com" in [group["name"] for group in groups["groups"]]
    conditions = (await api.get(f"{CRDS}/things.example.com"))["status"]["conditions"]
    assert {condition["type"]: condition["status"] for condition in conditions} == {"NamesAccepted": "True", "Established": "True"}


async def test_defaults_are_filled_and_unknown_fields_dropped(api: Api) -> None:
    await api.post(CRDS, definition())
    assert (await api.post(THINGS, thing("a", spec={"other": 1})))["spec"] == {"size": 1}


async def test_values_are_held_against_the_schema(api: Api) -> None:
    await api.post(CRDS, definition())
    error = await api.refused("POST", THINGS, thing("a", spec={"size": -1}))
    assert (error.code, error.details and error.details["causes"][0]["field"]) == (422, "spec.size")


async def test_status_has_a_door_of_its_own(api: Api) -> None:
    await api.post(CRDS, definition(subresources={"status": {}}))
    made = await api.post(THINGS, thing("a", spec={}, status={"ready": True}))
    assert "status" not in made
    changed = await api.patch(f"{THINGS}/a/status", {"status": {"ready": True}, "spec": {"size": 5}})
    assert (changed["status"], changed["spec"]["size"]) == ({"ready": True}, 1)
    assert changed["metadata"]["generation"] == 1


async def test_scale_finds_its_paths(api: Api) -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    await api.post(CRDS, definition(subresources={"scale": scale}))
    await api.post(THINGS, thing("a"))
    assert (await api.patch(f"{THINGS}/a/scale", {"spec": {"replicas": 7}}))["spec"] == {"replicas": 7}
    assert (await api.get(f"{THINGS}/a"))["spec"]["size"] == 7


async def test_a_second_definition_of_the_same_kind_is_not_served(api: Api) -> None:
    await api.post(CRDS, definition())
    other = definition()
    other["metadata"]["name"] = "others.example.com"
    other["spec"]["names"] = {"plural": "others", "kind": "Thing"}
    await api.post(CRDS, other)
    conditions = (await api.get(f"{CRDS}/others.example.com"))["status"]["conditions"]
    assert {condition["type"]: condition["status"] for condition in conditions} == {"NamesAccepted": "False", "Established": "False"}
    assert (await api.refused("GET", "/apis/example.com/v1/namespaces/default/others")).code == 404


async def test_a_definition_takes_its_instances_with_it(api: Api) -> None:
    await api.post(CRDS, definition())
    await api.post(THINGS, thing("a"))
    await api.post(THINGS, thing("b") | {"metadata": {"name": "b", "finalizers": ["example.com/f"]}})
    await api.delete(f"{CRDS}/things.example.com")
    assert await api.names(THINGS) == ["b"]
    await api.patch(f"{THINGS}/b", {"metadata": {"finalizers": None}})
    assert (await api.refused("GET", f"{CRDS}/things.example.com")).code == 404
    assert "example.com" not in [group["name"] for group in (await api.get("/apis"))["groups"]]
