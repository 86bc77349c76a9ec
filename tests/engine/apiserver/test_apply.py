"""Server-side apply over the API: what is kept of whose fields, who may, and what is refused."""

import asyncio
from typing import Any

import pytest

from pilothouse.aio.beside import Beside
from pilothouse.client.transport import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH
from pilothouse.engine.apiserver.request.body import Document, prepare
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.model.json import Object, dumps
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"


async def apply(api: Api, path: str, config: Object | bytes, manager: str = "a", **query: str) -> Any:
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


async def test_what_nobody_has_applied_stays_when_the_last_applied_field_beside_it_goes(api: Api) -> None:
    """A finalizer that the server itself has put there, when labels are applied no more."""
    volumes = "/api/v1/persistentvolumes"
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
    config: Object = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec}
    await apply(api, f"{volumes}/v", config | {"metadata": {"name": "v", "labels": {"a": "b"}}})
    left = (await apply(api, f"{volumes}/v", config))["metadata"]
    assert ("labels" in left, left["finalizers"]) == (False, ["kubernetes.io/pv-protection"])


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


@pytest.mark.parametrize("subresource", ["status", "scale"])
async def test_an_apply_to_a_part_of_what_is_not_there_creates_nothing(api: Api, subresource: str) -> None:
    config = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    if subresource == "scale":
        config = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
    error = await refused(api, f"{DEPLOYMENTS}/web/{subresource}", config)
    assert (error.code, error.message) == (404, 'deployments.apps "web" not found')


async def test_a_scaled_deployment_is_in_conflict_over_its_replicas(api: Api) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    config = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    await apply(api, f"{DEPLOYMENTS}/web", config)
    await api.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, fieldManager="scaler")
    error = await refused(api, f"{DEPLOYMENTS}/web", config)
    assert 'conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas' in error.message


async def test_an_applied_scale_owns_the_replicas(api: Api) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await api.call("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec}, fieldManager="maker")
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 3}}
    error = await refused(api, f"{DEPLOYMENTS}/web/scale", scale)
    assert error.details["causes"][0]["message"] == 'conflict with "maker" using autoscaling/v1'
    assert (await apply(api, f"{DEPLOYMENTS}/web/scale", scale, force="true"))["spec"] == {"replicas": 3}
    scaled = await api.get(f"{DEPLOYMENTS}/web")
    assert (fields(scaled, "a"), scaled["spec"]["replicas"]) == ({"f:spec": {"f:replicas": {}}}, 3)
    assert "f:replicas" not in fields(scaled, "maker")["f:spec"]
    assert ("a", "Apply", "scale") in managers(scaled)


@pytest.mark.parametrize(
    ("change", "code"), [({"kind": "Deployment"}, 400), ({"spec": {"replicas": "x"}}, 500), ({"metadata": {"name": "b"}}, 400)]
)
async def test_what_is_applied_to_a_scale_has_its_shape(api: Api, change: Object, code: int) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await api.post(DEPLOYMENTS, {"metadata": {"name": "w"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "w"}, "spec": {"replicas": 3}}
    assert (await refused(api, f"{DEPLOYMENTS}/w/scale", scale | change, force="true")).code == code


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


async def test_an_embedded_resource_is_applied_with_its_type_and_metadata(api: Api) -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"size": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"l": {"type": "array", "items": embedded}}}
    await api.post(CRDS, definition(schema={"openAPIV3Schema": schema}))
    inner = {"apiVersion": "v1", "kind": "Inner", "metadata": {"labels": {"a": "b"}}, "size": 1}
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "l": [inner]}
    assert (await apply(api, f"{THINGS}/t", thing))["l"] == [inner]
    error = await refused(api, f"{THINGS}/t", {**thing, "l": [{**inner, "metadata": {"nope": 1}}]})
    assert ".l[0].metadata.nope: field not declared in schema" in error.message


@pytest.mark.parametrize(
    ("config", "query", "code", "message"),
    [
        (wanted(k="v"), {"fieldManager": ""}, 422, "fieldManager: Required value: is required for apply patch"),
        ({**wanted(), "kind": "Secret"}, {}, 400, "invalid object type: /v1, Kind=Secret"),
        ({**wanted(), "metadata": {"name": "m", "managedFields": []}}, {}, 400, "metadata.managedFields must be nil"),
        (wanted("other"), {}, 400, "the name of the object (other) does not match the name on the URL (m)"),
        ({**wanted(), "metadata": {}}, {}, 400, "name must be provided"),
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n", {}, 400, "name must be provided"),
        ({**wanted(), "nope": 1}, {}, 500, ".nope: field not declared in schema"),
        ({**wanted(), "data": {"a b": "v"}}, {}, 422, "data[a b]"),
        ({**wanted(), "metadata": {"name": "m", "resourceVersion": "1"}}, {}, 409, "the object has been modified"),
        ({**wanted(), "apiVersion": 1}, {}, 400, "invalid object type: /, Kind=ConfigMap"),
        ({**wanted(), "kind": {}}, {}, 400, "invalid object type: /v1, Kind="),
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
    await prepare(request, Beside(1))
    assert isinstance(request.parsed, Document)
    assert set(request.parsed.value) == {"data"}


async def test_a_conflict_over_many_fields_shows_some_of_them_and_how_many_there_are(api: Api) -> None:
    keys = [f"k{number}" for number in range(500)]
    await api.call("POST", CONFIGMAPS, wanted(**dict.fromkeys(keys, "v")), fieldManager="maker")
    error = await refused(api, f"{CONFIGMAPS}/m", wanted(**dict.fromkeys(keys, "w")))
    assert error.message.startswith('Apply failed with 500 conflicts: conflicts with "maker" using v1:\n- .data.k0\n')
    assert error.message.endswith("\nand 401 lines more")
    assert len(error.details["causes"]) == 100


async def test_a_long_configuration_is_applied_to_what_is_there_when_it_is_written(api: Api) -> None:
    """It is worked out ahead, in a thread; somebody else may be quicker."""
    long = wanted(**{f"k{number}": "v" * 100 for number in range(1000)})
    await api.post(CONFIGMAPS, configmap("m", mine="1"))
    applying = asyncio.ensure_future(apply(api, f"{CONFIGMAPS}/m", dumps(long)))
    while not api.server.backend.beside.running:
        await asyncio.sleep(0)
    await api.patch(f"{CONFIGMAPS}/m", {"data": {"late": "2"}})
    applied = await applying
    assert {name: applied["data"].get(name) for name in ("mine", "late", "k999")} == {"mine": "1", "late": "2", "k999": "v" * 100}
    again = await apply(api, f"{CONFIGMAPS}/m", dumps(long))
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]


async def test_an_annotation_of_kubectl_that_is_nested_deep_does_not_disturb_an_apply(api: Api) -> None:
    deep = '{"metadata":{"name":"m"},"data":' + '{"a":' * 900 + "1" + "}" * 901
    made = wanted(k="v")
    made["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": deep}
    await api.call("POST", CONFIGMAPS, made, fieldManager="maker")
    error = await api.refused("PATCH", f"{CONFIGMAPS}/m", wanted(k="w"), APPLY_PATCH, fieldManager="kubectl")
    assert (error.code, error.reason) == (409, "Conflict")


@pytest.mark.parametrize("media", [APPLY_PATCH, JSON_PATCH, MERGE_PATCH, JSON, "application/yaml"])
async def test_what_is_nested_deeper_than_the_server_walks_is_refused_in_one_sentence(api: Api, media: str) -> None:
    await api.post(CONFIGMAPS, configmap("m"))
    deep = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"x":' + '{"a":' * 300 + "1" + "}" * 301
    error = await api.refused(
        "PUT" if media in (JSON, "application/yaml") else "PATCH", f"{CONFIGMAPS}/m", deep.encode(), media, fieldManager="a"
    )
    assert error.code == 400
    assert "nested more than 200 deep" in error.message
