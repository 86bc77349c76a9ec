"""Server-side apply over the API: what is kept of whose fields, who may, and what is refused."""

import asyncio
from typing import Any

import pytest

from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH
from pilothouse.engine.apiserver.request.body import Document, prepare
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"


async def apply(api: Api, path: str, config: Object, manager: str = "a", **query: str) -> Any:
    return await api.patch(path, config, APPLY_PATCH, fieldManager=manager, **query)


async def refused(api: Api, path: str, config: Any, **query: str) -> Any:
    return await api.refused("PATCH", path, config, APPLY_PATCH, **{"fieldManager": "a", **query})


def wanted(name: str = "m", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", **configmap(name, **data)}


def managers(obj: Object) -> list[tuple[str, str, str]]:
    return [(each["manager"], each["operation"], each.get("subresource", "")) for each in obj["metadata"].get("managedFields", [])]


def fields(obj: Object, manager: str) -> Any:
    return next((each["fieldsV1"] for each in obj["metadata"].get("managedFields", []) if each["manager"] == manager), None)


async def test_an_apply_creates_changes_and_leaves_alone(api: Api) -> None:
    made = await apply(api, f"{CONFIGMAPS}/m", wanted(k="v"))
    assert fields(made, "a") == {"f:data": {"f:k": {}}}
    again = await apply(api, f"{CONFIGMAPS}/m", wanted(k="v"))
    assert again == made
    other = await apply(api, f"{CONFIGMAPS}/m", wanted(l="w"), "b")
    assert other["data"] == {"k": "v", "l": "w"}
    gone = await apply(api, f"{CONFIGMAPS}/m", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}})
    assert (gone["data"], managers(gone)) == ({"l": "w"}, [("b", "Apply", "")])


async def test_the_fields_of_another_manager_are_a_conflict(api: Api) -> None:
    await api.call("POST", CONFIGMAPS, wanted(k="v"), fieldManager="maker")
    error = await refused(api, f"{CONFIGMAPS}/m", wanted(k="w"))
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == 'Apply failed with 1 conflict: conflict with "maker" using v1: .data.k'
    assert error.details["causes"] == [{"reason": "FieldManagerConflict", "message": 'conflict with "maker" using v1', "field": ".data.k"}]
    forced = await apply(api, f"{CONFIGMAPS}/m", wanted(k="w"), force="true")
    assert (fields(forced, "a"), fields(forced, "maker")) == ({"f:data": {"f:k": {}}}, {"f:data": {}})


async def test_each_way_of_writing_says_whose_fields_it_sets(api: Api) -> None:
    await api.call("POST", PODS, {**pod("p")}, fieldManager="maker")
    await api.patch(f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}}, fieldManager="labeller")
    status = {"status": {"phase": "Running"}, "spec": {"nodeName": "nobody's"}}
    found = await api.patch(f"{PODS}/p/status", status, fieldManager="node")
    assert managers(found) == [("labeller", "Update", ""), ("maker", "Update", ""), ("node", "Update", "status")]
    assert fields(found, "labeller") == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    assert fields(found, "node") == {"f:status": {"f:phase": {}}}
    assert "f:status" not in fields(found, "maker")


async def test_a_client_is_known_by_its_agent(api: Api, https: Https) -> None:
    await grant(api, "writer", rule("create get", "configmaps"))
    made = await https.certified("writer").call("POST", CONFIGMAPS, wanted(k="v"))
    assert [manager for manager, _, _ in managers(made)] == ["pilothouse"]


async def test_an_apply_that_creates_needs_the_right_to(api: Api, https: Https) -> None:
    await grant(api, "patcher", rule("patch get", "configmaps"))
    patcher = https.certified("patcher")
    assert (await refused(patcher, f"{CONFIGMAPS}/m", wanted(k="v"))).code == 403
    await api.post(CONFIGMAPS, wanted(x="y"))
    assert (await apply(patcher, f"{CONFIGMAPS}/m", wanted(k="v")))["data"] == {"x": "y", "k": "v"}


async def test_a_scaled_deployment_is_in_conflict_over_its_replicas(api: Api) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    config = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    await apply(api, f"{DEPLOYMENTS}/web", config)
    await api.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, fieldManager="scaler")
    error = await refused(api, f"{DEPLOYMENTS}/web", config)
    assert 'conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas' in error.message


async def test_the_elements_of_a_custom_kinds_lists_are_owned_one_by_one(api: Api) -> None:
    keyed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]}
    item = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "v": {"type": "integer"}}}
    spec = {"type": "object", "properties": {"l": {**keyed, "items": item}}}
    await api.post(CRDS, definition(schema={"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}))

    def thing(*elements: Object) -> Object:
        return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"l": list(elements)}}

    await apply(api, f"{THINGS}/t", thing({"id": "a", "v": 1}))
    both = await apply(api, f"{THINGS}/t", thing({"id": "b", "v": 2}), "b")
    assert [each["id"] for each in both["spec"]["l"]] == ["a", "b"]
    assert fields(both, "b") == {"f:spec": {"f:l": {'k:{"id":"b"}': {".": {}, "f:id": {}, "f:v": {}}}}}
    assert (await refused(api, f"{THINGS}/t", {**thing(), "nope": 1})).code == 500


@pytest.mark.parametrize(
    ("config", "query", "code", "message"),
    [
        (wanted(k="v"), {"fieldManager": ""}, 422, "fieldManager: Required value: is required for apply patch"),
        ({**wanted(), "kind": "Secret"}, {}, 400, "invalid object type: /v1, Kind=Secret"),
        ({**wanted(), "metadata": {"name": "m", "managedFields": []}}, {}, 400, "metadata.managedFields must be nil"),
        (wanted("other"), {}, 400, "the name of the object (other) does not match the name on the URL (m)"),
        ({**wanted(), "metadata": {}}, {}, 400, "name must be provided"),
        ({**wanted(), "nope": 1}, {}, 500, ".nope: field not declared in schema"),
        ({**wanted(), "data": {"a b": "v"}}, {}, 422, "data[a b]"),
        ({**wanted(), "metadata": {"name": "m", "resourceVersion": "1"}}, {}, 409, "the object has been modified"),
        (b"a: b: c\n", {}, 400, "error decoding YAML"),
        (b"[x]", {}, 400, "cannot unmarshal array"),
    ],
)
async def test_what_is_no_configuration_is_refused(api: Api, config: Any, query: dict[str, str], code: int, message: str) -> None:
    error = await refused(api, f"{CONFIGMAPS}/m", config, **query)
    assert error.code == code
    assert message in error.message
    assert await api.names(CONFIGMAPS, fieldSelector="metadata.name=m") == []


async def test_a_key_that_is_given_twice_is_warned_of_or_refused(api: Api) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: v, k: w}\n"
    assert (await refused(api, f"{CONFIGMAPS}/m", text, fieldValidation="Strict")).code == 400
    assert (await api.patch(f"{CONFIGMAPS}/m", text, APPLY_PATCH, fieldManager="a"))["data"] == {"k": "w"}


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    shown = await apply(api, f"{CONFIGMAPS}/m", wanted(k="v"), dryRun="All")
    assert fields(shown, "a") == {"f:data": {"f:k": {}}}
    assert await api.names(CONFIGMAPS, fieldSelector="metadata.name=m") == []


async def test_managers_can_be_given_up_and_moved(api: Api) -> None:
    made = await apply(api, f"{CONFIGMAPS}/m", wanted(k="v"))
    move = [{"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "z"}]
    moved = await api.patch(f"{CONFIGMAPS}/m", move, JSON_PATCH, fieldManager="mover")
    assert managers(moved) == [("z", "Apply", "")]
    assert moved["data"] == made["data"]
    free = await api.patch(f"{CONFIGMAPS}/m", {"metadata": {"managedFields": [{}]}})
    assert managers(free) == []


async def test_an_object_without_managers_gets_them_by_its_first_apply(api: Api) -> None:
    await api.post(CONFIGMAPS, wanted(k="v"))
    await api.patch(f"{CONFIGMAPS}/m", {"metadata": {"managedFields": [{}]}})
    await api.patch(f"{CONFIGMAPS}/m", {"data": {"l": "w"}})
    error = await refused(api, f"{CONFIGMAPS}/m", wanted(k="x"))
    assert 'conflict with "before-first-apply" using v1: .data.k' in error.message


async def test_many_applies_at_a_time_are_all_kept(api: Api) -> None:

    await asyncio.gather(*(apply(api, f"{CONFIGMAPS}/m", wanted(**{f"k{number}": "v"}), f"m{number}") for number in range(4)))
    found = await api.get(f"{CONFIGMAPS}/m")
    assert sorted(found["data"]) == ["k0", "k1", "k2", "k3"]


async def test_an_applied_configuration_stays_its_managers_in_another_version(api: Api) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    made = definition(schema=schema)
    made["spec"]["versions"].append({**made["spec"]["versions"][0], "name": "v1beta1", "storage": False})
    await api.post(CRDS, made)
    early = {"apiVersion": "example.com/v1beta1", "kind": "Thing", "metadata": {"name": "t"}}
    await apply(api, f"{THINGS.replace('/v1/', '/v1beta1/')}/t", {**early, "size": 1, "color": "red"})
    later = await apply(api, f"{THINGS}/t", {**early, "apiVersion": "example.com/v1", "size": 2})
    assert (later["size"], later.get("color")) == (2, None)
    assert [(each["manager"], each["apiVersion"]) for each in later["metadata"]["managedFields"]] == [("a", "example.com/v1")]


@pytest.mark.parametrize("text", ["data:\n" + "  k: v\n" * 1000, '{"data":"' + "v" * 5000 + '"}'])
async def test_a_large_configuration_is_read_beside_the_event_loop(text: str) -> None:
    request = ApiRequest("PATCH", Target("/"), {}, PlainHeaders({"content-type": APPLY_PATCH}), text.encode())
    await prepare(request, asyncio.Semaphore(1))
    assert isinstance(request.parsed, Document)
    assert set(request.parsed.value) == {"data"}
