"""Create, get, update, delete."""

import asyncio

from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap, pod


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


async def test_scale_changes_replicas_and_nothing_else(api: Api) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = await api.post(path, {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
    scaled = await api.patch(f"{path}/d/scale", {"spec": {"replicas": 3}})
    assert scaled["spec"] == {"replicas": 3}
    assert scaled["status"]["selector"] == "a=b"
    assert (await api.get(f"{path}/d"))["spec"] == made["spec"] | {"replicas": 3}
