"""Custom resources, from their definition to their end."""

import asyncio
from pathlib import Path
from typing import Any

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.apiserver.upkeep.definitions import MOST_AT_ONCE, Definitions
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object, copy
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.people import ADMIN

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


async def test_a_definition_that_ends_says_which_finalizers_hold_its_instances(api: Api) -> None:
    async def ending() -> dict[str, Any]:
        conditions = (await api.get(f"{CRDS}/things.example.com"))["status"]["conditions"]
        return next((each for each in conditions if each["type"] == "Terminating"), {})

    await api.post(CRDS, definition())
    for name, finalizers in {"a": ["example.com/a"], "b": ["example.com/b", "example.com/c"], "free": []}.items():
        await api.post(THINGS, thing(name) | {"metadata": {"name": name, "finalizers": finalizers}})
    assert await ending() == {}
    await api.delete(f"{CRDS}/things.example.com")
    said = await ending()
    assert (said["status"], said["reason"]) == ("True", "InstanceDeletionInProgress")
    assert said["message"].endswith("instances wait for their finalizers example.com/a, example.com/b, example.com/c")
    assert await api.names(THINGS) == ["a", "b"]
    await api.patch(f"{THINGS}/b", {"metadata": {"finalizers": None}})
    async with asyncio.timeout(5):
        while not (await ending())["message"].endswith("finalizers example.com/a"):
            await asyncio.sleep(0)
    assert (await ending())["lastTransitionTime"] == said["lastTransitionTime"]


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


async def test_a_column_whose_path_leads_nowhere_is_empty(api: Api, https: Https) -> None:
    endless = {"name": "Part", "type": "string", "jsonPath": f".spec.parts[{'9' * 5000}]"}
    await api.post(CRDS, definition(additionalPrinterColumns=[endless]))
    await api.post(THINGS, thing("a"))
    admin = https.certified("admin", ADMINS)
    table = await admin.transport.call(Call("GET", THINGS, accept="application/json;as=Table;v=v1;g=meta.k8s.io"))
    assert table["rows"][0]["cells"] == ["a", None]


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


async def test_a_definition_is_held_against_those_of_its_group_alone(api: Api, store: Store) -> None:
    """Those of other groups, which are many and large in some clusters, are not even decoded."""
    other = definition()
    other["metadata"]["name"], other["spec"]["group"] = "things.example.org", "example.org"
    for each in (definition(), other):
        await api.post(CRDS, each)
    record = store.scan("/customresourcedefinitions.apiextensions.k8s.io/")[0]
    record.forget()
    await api.patch(f"{CRDS}/things.example.org", {"metadata": {"labels": {"a": "b"}}})
    assert record._value is None


async def test_instances_are_looked_at_in_turns_with_others(store: Store) -> None:
    """However many wait for their finalizers: each of their changes has all looked at again."""
    dying = {"finalizers": ["example.com/f"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    names = [f"t{number:04}" for number in range(2_000)]
    await asyncio.gather(*(store.create(f"/things.example.com//{name}", {"metadata": {"name": name} | dying}) for name in names))
    await asyncio.gather(*(store.create(f"/things.example.com//u{n}", {"metadata": {"name": f"u{n}"}}) for n in range(MOST_AT_ONCE * 2)))
    looking = asyncio.ensure_future(Definitions(store)._to_remove("things.example.com"))
    turns = 0
    while not looking.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    assert [record.key for record in looking.result()[:2]] == ["/things.example.com//u0", "/things.example.com//u1"]
    assert len(looking.result()) == MOST_AT_ONCE + 1


async def tightened(api: Api, spec: dict[str, Any]) -> None:
    """The definition gets another schema of `spec`."""
    current = copy(await api.get(f"{CRDS}/things.example.com"))
    current["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
    await api.put(f"{CRDS}/things.example.com", current)


def loose() -> dict[str, Any]:
    item = {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}
    return {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "name": {"type": "string"},
            "parts": {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
            "words": {"type": "array", "items": {"type": "string"}},
        },
    }


TIGHT = {"size": {"type": "integer", "maximum": 5}, "name": {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"}}
BIG = {"size": 9, "name": "Long", "parts": [{"k": "a", "v": 9}, {"k": "b", "v": 1}], "words": ["x", "long"]}


async def test_a_watch_ends_with_the_definition_of_what_it_shows(api: Api) -> None:
    await api.post(CRDS, definition())
    await api.post(THINGS, thing("a"))
    async with asyncio.timeout(10), api.transport.watch(Call("GET", THINGS, (("watch", "1"),))) as events:
        await api.delete(f"{CRDS}/things.example.com")
        assert [event.type async for event in events] == ["ADDED", "DELETED"]


async def test_what_a_tightened_schema_forbids_may_stay_as_long_as_it_does_not_change(api: Api) -> None:
    await api.post(CRDS, definition(schema={"openAPIV3Schema": {"type": "object", "properties": {"spec": loose()}}}))
    await api.post(THINGS, thing("a", spec=BIG))
    spec = loose()
    spec["properties"] |= TIGHT
    spec["properties"]["parts"]["items"]["properties"]["v"] = {"type": "integer", "maximum": 5}
    spec["properties"]["words"]["items"] = {"type": "string", "maxLength": 2}
    await tightened(api, spec)
    await api.patch(f"{THINGS}/a", {"metadata": {"labels": {"x": "y"}}})
    await api.patch(f"{THINGS}/a", {"spec": {"size": 1}})
    await api.patch(f"{THINGS}/a", {"spec": {"parts": [{"k": "b", "v": 2}, {"k": "a", "v": 9}]}})

    async def blamed(change: dict[str, Any]) -> list[str]:
        error = await api.refused("PATCH", f"{THINGS}/a", {"spec": change}, "application/merge-patch+json")
        return [cause["field"] for cause in (error.details or {})["causes"]]

    assert await blamed({"name": "Longer"}) == ["spec.name"]
    assert await blamed({"parts": [{"k": "b", "v": 9}, {"k": "a", "v": 9}]}) == ["spec.parts[0].v"]
    assert await blamed({"words": ["y", "long"]}) == ["spec.words[1]"]
    error = await api.refused("POST", THINGS, thing("b", spec=BIG))
    assert len((error.details or {})["causes"]) == 4


async def test_a_list_that_has_duplicates_may_have_others(api: Api) -> None:
    words = {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}}
    await api.post(CRDS, definition(schema={"openAPIV3Schema": {"type": "object", "properties": {"spec": words}}}))
    await api.post(THINGS, thing("a", spec={"words": ["x", "x"]}))
    await api.post(THINGS, thing("b", spec={"words": ["x"]}))
    as_set = copy(words)
    as_set["properties"]["words"]["x-kubernetes-list-type"] = "set"
    await tightened(api, as_set)
    await api.patch(f"{THINGS}/a", {"spec": {"words": ["x", "x", "y"]}})
    assert (await api.refused("PATCH", f"{THINGS}/b", {"spec": {"words": ["x", "x"]}}, "application/merge-patch+json")).code == 422


async def test_a_status_is_judged_without_the_rest_of_its_object(api: Api) -> None:
    await api.post(CRDS, definition(subresources={"status": {}}))
    await api.post(THINGS, thing("a", spec={"size": 1}))
    error = await api.refused("PATCH", f"{THINGS}/a/status", {"status": {"ready": 1}}, "application/merge-patch+json")
    (cause,) = (error.details or {})["causes"]
    assert (cause["field"], cause["message"]) == (
        "status.ready",
        'Invalid value: "integer": ready in body must be of type boolean: "integer"',
    )


async def test_a_number_of_replicas_is_one(api: Api) -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    await api.post(CRDS, definition(schema={"openAPIV3Schema": schema}, subresources={"scale": scale}))
    for size in (-1, 2**31):
        error = await api.refused("POST", THINGS, thing("a", spec={"size": size}))
        assert [cause["field"] for cause in (error.details or {})["causes"]] == [".spec.size"]


async def test_a_subresource_that_a_definition_does_not_have_is_not_found(api: Api) -> None:
    await api.post(CRDS, definition())
    await api.post(THINGS, thing("a"))
    error = await api.refused("GET", f"{THINGS}/a/status")
    assert (error.code, error.details) == (404, {"group": "example.com", "kind": "things", "name": "a"})


async def test_a_group_of_kubernetes_says_how_it_was_approved(api: Api) -> None:
    made = definition()
    made["metadata"] = {"name": "things.x.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, for now"}}
    made["spec"]["group"] = "x.k8s.io"
    await api.post(CRDS, made)
    shown = copy(await api.get(f"{CRDS}/things.x.k8s.io"))
    found = {condition["type"]: condition for condition in shown["status"]["conditions"]}["KubernetesAPIApprovalPolicyConformant"]
    assert (found["status"], found["reason"], found["message"]) == ("False", "UnapprovedAnnotation", 'not approved: "unapproved, for now"')
    shown["metadata"]["annotations"] = {}
    error = await api.refused("PUT", f"{CRDS}/things.x.k8s.io", shown)
    assert [cause["field"] for cause in (error.details or {})["causes"]] == ["metadata.annotations[api-approved.kubernetes.io]"]


async def test_a_server_finishes_the_clean_up_that_another_began(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state)) as server:
        api = Api(server, ADMIN)
        await api.post(CRDS, definition())
        for number in range(3):
            await api.post(THINGS, thing(f"t{number}"))
    # As a server leaves it that is killed right after the deletion is stored.
    record = store.get("/customresourcedefinitions.apiextensions.k8s.io//things.example.com")
    assert record is not None
    marks = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["customresourcecleanup.apiextensions.k8s.io"]}
    await store.update(record.key, record.value | {"metadata": record.value["metadata"] | marks}, expected=record.revision)
    async with ApiServer.open(store, Settings(state)) as server, asyncio.timeout(10):
        gone = asyncio.Event()
        watch = store.watch(record.key, store.revision, lambda change: gone.set() if change.type == "DELETED" else None)
        if store.get(record.key) is not None:
            await gone.wait()
        watch.close()
        assert store.count("/things.example.com/") == 0
        await Api(server, ADMIN).post(CRDS, definition())
        assert await Api(server, ADMIN).names(THINGS) == []


def of_the_clusters_own(version: str = "v9") -> Object:
    """A definition of roles, which are the cluster's."""
    wanted = definition(name=version)
    wanted["metadata"] = {"name": "roles.rbac.authorization.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}}
    wanted["spec"] |= {"group": "rbac.authorization.k8s.io", "names": {"plural": "roles", "kind": "Role"}}
    return wanted


async def test_what_the_cluster_serves_itself_is_not_defined_once_more(api: Api) -> None:
    error = await api.refused("POST", CRDS, of_the_clusters_own())
    assert error.code == 422
    assert error.details is not None
    assert [cause["field"] for cause in error.details["causes"]] == ["spec.names.plural"]
    assert "served by the cluster itself" in error.message


async def test_a_definition_of_the_clusters_own_resource_that_is_stored_takes_nothing_along(tmp_path: Path, state: Path) -> None:
    stamp = {"uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
    stored = of_the_clusters_own("v1")
    stored["metadata"] |= stamp
    names = stored["spec"]["names"]
    stored["status"] = {"conditions": [{"type": "Established", "status": "True"}], "acceptedNames": names, "storedVersions": ["v1"]}
    async with Store.open(tmp_path / "s.db") as store:
        await store.create("/customresourcedefinitions.apiextensions.k8s.io//roles.rbac.authorization.k8s.io", stored)
        async with ApiServer.open(store, Settings(state)) as server:
            admin = Api(server, ADMIN)
            roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles"
            before = await admin.names(roles)
            assert before
            conditions = await settled_conditions(admin, "roles.rbac.authorization.k8s.io", "NamesAccepted")
            assert conditions["NamesAccepted"] == "False"
            await admin.delete(f"{CRDS}/roles.rbac.authorization.k8s.io")
            assert await admin.names(CRDS) == []
            assert await admin.names(roles) == before


async def settled_conditions(api: Api, name: str, expected: str) -> dict[str, str]:
    async with asyncio.timeout(5):
        while True:
            conditions = (await api.get(f"{CRDS}/{name}"))["status"]["conditions"]
            found = {condition["type"]: condition["status"] for condition in conditions}
            if expected in found:
                return found
            await asyncio.sleep(0.01)


async def test_whoever_writes_its_status_gives_a_definition_no_resource_of_the_clusters(api: Api) -> None:
    wanted = of_the_clusters_own("v1")
    wanted["metadata"]["name"] = "things.rbac.authorization.k8s.io"
    wanted["spec"]["names"] = {"plural": "things", "kind": "Thing"}
    made = await api.post(CRDS, wanted)
    names = made["status"]["acceptedNames"] | {"plural": "roles"}
    path = f"{CRDS}/things.rbac.authorization.k8s.io"
    await api.patch(f"{path}/status", {"status": {"acceptedNames": names}})
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles"
    assert await api.names(roles)
    await api.delete(path)
    assert await api.names(roles)
