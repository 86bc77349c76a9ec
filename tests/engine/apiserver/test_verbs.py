"""Create, get, update, delete."""

import asyncio

import pytest

from pilothouse.client.transport import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.store.store import Store
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod


async def test_an_object_gets_a_uid_a_time_and_a_version(api: Api) -> None:
    made = (await api.post(CONFIGMAPS, configmap("a", x="1")))["metadata"]
    assert made["uid"]
    assert made["creationTimestamp"]
    assert made["resourceVersion"].isdigit()
    assert made["namespace"] == "default"


async def test_a_generated_name_starts_with_its_prefix(api: Api) -> None:
    made = await api.post(CONFIGMAPS, {"metadata": {"generateName": "a-"}})
    assert made["metadata"]["name"].startswith("a-")
    assert len(made["metadata"]["name"]) == 7


async def test_a_second_object_of_the_same_name_is_refused(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    assert (await api.refused("POST", CONFIGMAPS, configmap("a"))).reason == "AlreadyExists"


async def test_of_two_creates_at_once_one_wins(api: Api) -> None:
    outcomes = await asyncio.gather(*(api.post(CONFIGMAPS, configmap("a")) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 1


async def test_a_dry_run_leaves_nothing_behind(api: Api) -> None:
    made = await api.post(CONFIGMAPS, configmap("a"), dryRun="All")
    assert "resourceVersion" not in made["metadata"]
    assert (await api.refused("GET", f"{CONFIGMAPS}/a")).reason == "NotFound"


async def test_an_update_based_on_an_old_version_is_a_conflict(api: Api) -> None:
    made = await api.post(CONFIGMAPS, configmap("a"))
    await api.put(f"{CONFIGMAPS}/a", made | {"data": {"x": "1"}})
    error = await api.refused("PUT", f"{CONFIGMAPS}/a", made | {"data": {"x": "2"}})
    assert error.code == 409
    assert "the object has been modified" in error.message


async def test_an_update_without_a_version_takes_what_is_there(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    assert (await api.put(f"{CONFIGMAPS}/a", configmap("a", x="1")))["data"] == {"x": "1"}


async def test_an_update_that_changes_nothing_keeps_the_version(api: Api) -> None:
    made = await api.post(CONFIGMAPS, configmap("a", x="1"))
    assert await api.put(f"{CONFIGMAPS}/a", configmap("a", x="1")) == made


async def test_an_update_with_anothers_uid_is_a_conflict(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    other = {"metadata": {"name": "a", "uid": "00000000-0000-0000-0000-000000000001"}}
    assert (await api.refused("PUT", f"{CONFIGMAPS}/a", other)).code == 409


async def test_concurrent_patches_all_arrive(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await asyncio.gather(*(api.patch(f"{CONFIGMAPS}/a", {"data": {f"k{n}": "v"}}) for n in range(8)))
    assert len((await api.get(f"{CONFIGMAPS}/a"))["data"]) == 8


async def test_leases_are_created_by_put_and_updated_with_a_version_only(api: Api) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/a"
    await api.put(path, {"metadata": {"name": "a"}})
    error = await api.refused("PUT", path, {"metadata": {"name": "a"}, "spec": {"holderIdentity": "x"}})
    assert (error.code, error.details and error.details["causes"][0]["field"]) == (422, "metadata.resourceVersion")


async def test_a_delete_with_a_wrong_precondition_changes_nothing(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    options = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000001"}}
    assert (await api.refused("DELETE", f"{CONFIGMAPS}/a", options)).code == 409
    assert await api.names(CONFIGMAPS) == ["a"]


async def test_the_last_finalizer_taken_out_ends_a_dying_object(api: Api) -> None:
    await api.post(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["example.com/f"]}})
    dying = await api.delete(f"{CONFIGMAPS}/a")
    assert dying["metadata"]["deletionTimestamp"]
    await api.patch(f"{CONFIGMAPS}/a", {"metadata": {"finalizers": None}})
    assert (await api.refused("GET", f"{CONFIGMAPS}/a")).code == 404


async def test_a_collection_is_deleted_as_it_is_selected(api: Api) -> None:
    for name in ("a", "b", "c"):
        await api.post(CONFIGMAPS, configmap(name) | {"metadata": {"name": name, "labels": {"keep": str(name == "b")}}})
    await api.delete(CONFIGMAPS, labelSelector="keep=False")
    assert await api.names(CONFIGMAPS) == ["b"]


async def test_a_large_collection_is_deleted_a_part_at_a_time(api: Api, store: Store) -> None:
    metadata = ({"name": f"c{number}", "namespace": "default", "uid": str(number)} for number in range(1_000))
    await asyncio.gather(*(store.create(f"/configmaps/default/{each['name']}", {"metadata": each}) for each in metadata))
    deleting = asyncio.ensure_future(api.delete(CONFIGMAPS))
    most = 0
    while not deleting.done():
        most = max(most, len(asyncio.all_tasks()))
        await asyncio.sleep(0)
    await deleting
    assert most < 600
    assert await api.names(CONFIGMAPS) == []


async def test_all_that_is_wrong_is_told_at_once(api: Api) -> None:
    error = await api.refused("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "A_"}, "spec": {"containers": []}})
    assert error.code == 422
    assert error.details is not None
    assert {cause["field"] for cause in error.details["causes"]} >= {"metadata.name", "spec.containers"}


async def test_a_strict_create_refuses_an_unknown_field(api: Api) -> None:
    error = await api.refused("POST", CONFIGMAPS, configmap("a") | {"foo": 1}, fieldValidation="Strict")
    assert error.code == 400
    assert 'unknown field "foo"' in error.message


async def test_a_pod_is_bound_once(api: Api) -> None:
    await api.post("/api/v1/namespaces/default/pods", pod("p"))
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    await api.post("/api/v1/namespaces/default/pods/p/binding", binding)
    assert (await api.get("/api/v1/namespaces/default/pods/p"))["spec"]["nodeName"] == "n"
    assert (await api.refused("POST", "/api/v1/namespaces/default/pods/p/binding", binding)).code == 409


async def test_a_binding_is_about_the_pod_that_it_names(api: Api) -> None:
    made = await api.post(PODS, pod("p"))
    for name in ("uid", "resourceVersion"):
        binding = {"metadata": {"name": "p", name: "0"}, "target": {"kind": "Node", "name": "n"}}
        error = await api.refused("POST", f"{PODS}/p/binding", binding)
        assert (error.code, "Precondition failed" in error.message, made["metadata"][name] in error.message) == (409, True, True)


async def test_a_pod_learns_the_zone_of_its_node(api: Api) -> None:
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    await api.post("/api/v1/nodes", {"metadata": {"name": "n", "labels": {zone: "z", region: "r", "other": "x"}}})
    await api.post(PODS, pod("p") | {"metadata": {"name": "p", "labels": {zone: "own"}}})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    await api.post(f"{PODS}/p/binding", binding)
    bound = await api.get(f"{PODS}/p")
    assert bound["metadata"]["labels"] == {zone: "own", region: "r"}
    made = await api.post(PODS, pod("q", nodeName="n"))
    assert made["metadata"]["labels"] == {zone: "z", region: "r"}
    assert [each["metadata"]["name"] for each in (await api.get(PODS, fieldSelector="spec.host=n"))["items"]] == ["p", "q"]


async def test_a_binding_may_be_created_on_its_own(api: Api) -> None:
    await api.post("/api/v1/namespaces/default/pods", pod("p"))
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    await api.post("/api/v1/namespaces/default/bindings", binding)
    assert (await api.get("/api/v1/namespaces/default/pods/p"))["spec"]["nodeName"] == "n"
    assert (await api.refused("POST", "/api/v1/namespaces/default/bindings", {"target": {"name": "n"}})).code == 400
    assert (await api.refused("GET", "/api/v1/namespaces/default/bindings")).code == 405


async def test_scale_changes_replicas_and_nothing_else(api: Api) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = await api.post(path, {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
    scaled = await api.patch(f"{path}/d/scale", {"spec": {"replicas": 3}})
    assert scaled["spec"] == {"replicas": 3}
    assert scaled["status"]["selector"] == "a=b"
    assert (await api.get(f"{path}/d"))["spec"] == made["spec"] | {"replicas": 3}


async def test_a_precondition_may_stand_in_the_query(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    refusal = await api.refused("DELETE", f"{CONFIGMAPS}/a", uid="00000000-0000-0000-0000-000000000001")
    assert (refusal.code, "the UID in the precondition" in refusal.message) == (409, True)


async def test_with_a_body_the_query_of_a_delete_counts_for_nothing(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await api.delete(f"{CONFIGMAPS}/a", {"gracePeriodSeconds": 0}, resourceVersion="1", propagationPolicy="Sideways")
    assert await api.names(CONFIGMAPS) == []


async def test_all_that_is_wrong_with_a_deletion_is_told_at_once(api: Api) -> None:
    options = {"propagationPolicy": "Sideways", "orphanDependents": True, "dryRun": ["Some"]}
    refusal = await api.refused("DELETE", f"{CONFIGMAPS}/a", options)
    found = [(cause["field"], cause["reason"]) for cause in (refusal.details or {})["causes"]]
    assert found == [
        ("propagationPolicy", "FieldValueInvalid"),
        ("propagationPolicy", "FieldValueNotSupported"),
        ("dryRun", "FieldValueNotSupported"),
    ]


async def test_a_name_that_could_have_been_generated_may_be_tried_again(api: Api) -> None:
    again = {"metadata": {"name": "a", "generateName": "a-"}}
    await api.post(CONFIGMAPS, again)
    refusal = await api.refused("POST", CONFIGMAPS, again)
    assert (refusal.reason, (refusal.details or {})["retryAfterSeconds"]) == ("AlreadyExists", 1)
    assert refusal.message == 'configmaps "a" already exists, the server was not able to generate a unique name for the object'


async def test_a_get_waits_for_a_version_that_may_come(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await api.post(CONFIGMAPS, configmap("a"))
    version = int(made["metadata"]["resourceVersion"])
    assert (await api.get(f"{CONFIGMAPS}/a", resourceVersion=str(version)))["metadata"]["name"] == "a"
    monkeypatch.setattr("pilothouse.engine.apiserver.verbs.list._FUTURE_WAIT_S", 0.01)
    refusal = await api.refused("GET", f"{CONFIGMAPS}/a", resourceVersion=str(version + 1000))
    assert (refusal.code, "Too large resource version" in refusal.message) == (504, True)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"resourceVersion": "x"}, 500, 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'),
        ({"export": "true"}, 400, "the export parameter, deprecated since v1.14, is no longer supported"),
    ],
)
async def test_a_get_that_asks_for_what_there_is_not(api: Api, query: dict[str, str], code: int, message: str) -> None:
    refusal = await api.refused("GET", f"{CONFIGMAPS}/a", **query)
    assert (refusal.code, refusal.message) == (code, message)


DOUBLED = b'{"data":{"a":"1","a":"2"}}'


@pytest.mark.parametrize(
    ("media", "body", "doubt"),
    [
        (MERGE_PATCH, DOUBLED, 'duplicate field "data.a"'),
        (STRATEGIC_PATCH, DOUBLED, 'duplicate field "data.a"'),
        (JSON_PATCH, [{"op": "add", "path": "/data", "value": {}, "why": 1}], 'json patch unknown field "[0].why"'),
    ],
)
async def test_what_is_odd_about_a_patch_is_warned_of_or_refused(api: Api, warned: list[str], media: str, body: object, doubt: str) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await api.patch(f"{CONFIGMAPS}/a", body, media)
    assert warned == [doubt]
    refusal = await api.refused("PATCH", f"{CONFIGMAPS}/a", body, media, fieldValidation="Strict")
    assert (refusal.code, doubt in refusal.message) == (422, True)
    await api.patch(f"{CONFIGMAPS}/a", body, media, fieldValidation="Ignore")
    assert warned == [doubt]


async def test_a_patch_of_scale_is_as_strict_as_any(api: Api, warned: list[str]) -> None:
    path = "/apis/apps/v1/namespaces/default/replicasets"
    labels = {"matchLabels": {"a": "b"}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await api.post(path, {"metadata": {"name": "r"}, "spec": {"selector": labels, "template": template}})
    odd = {"spec": {"replicas": 2, "why": 1}}
    await api.patch(f"{path}/r/scale", odd)
    assert warned == ['unknown field "spec.why"']
    assert (await api.refused("PATCH", f"{path}/r/scale", odd, MERGE_PATCH, fieldValidation="Strict")).code == 422
    refusal = await api.refused("PATCH", f"{path}/r/scale", odd, MERGE_PATCH, force="true")
    assert (refusal.details or {})["causes"][0]["field"] == "force"


async def test_an_operation_that_cannot_be_one_is_refused(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    refusal = await api.refused("PATCH", f"{CONFIGMAPS}/a", [{"op": 1}], JSON_PATCH)
    assert (refusal.code, "Go struct field jsonPatchOp.op of type string" in refusal.message) == (400, True)
