from copy import deepcopy

import pytest

from pilothouse.client.client import Client, delete_options
from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH, Call
from pilothouse.model.errors import Conflict, Expired, Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, DEPLOYMENTS, NODES, PODS
from tests.client.fake_cluster import FakeCluster


def configmap(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def last(cluster: FakeCluster) -> Call:
    return cluster.calls[-1]


async def test_create_goes_to_the_namespace_of_the_object_with_its_kind(cluster: FakeCluster, client: Client) -> None:
    given = configmap("a")
    before = deepcopy(given)
    created = await client.create(CONFIGMAPS, given)
    assert last(cluster).path == "/api/v1/namespaces/default/configmaps"
    assert last(cluster).query == (("fieldManager", "pilothouse"),)
    assert (created["apiVersion"], created["kind"]) == ("v1", "ConfigMap")
    assert given == before


async def test_items_of_a_list_read_like_objects_and_the_answer_is_left_alone(cluster: FakeCluster, client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a"))
    found = await client.list(CONFIGMAPS, "default")
    assert found.items == [await client.get(CONFIGMAPS, "a", "default")]
    assert found.resource_version == str(cluster.revision)


async def test_list_all_goes_through_all_pages(cluster: FakeCluster, client: Client) -> None:
    for number in range(5):
        await client.create(CONFIGMAPS, configmap(f"c{number}"))
    cluster.calls.clear()
    found = await client.list_all(CONFIGMAPS, page_size=2)
    assert len(found.items) == 5
    assert len(cluster.calls) == 3


async def test_list_all_begins_again_when_its_revision_is_compacted_away(cluster: FakeCluster, client: Client) -> None:
    for number in range(5):
        await client.create(CONFIGMAPS, configmap(f"c{number}"))
    original = cluster.handle

    def compacts(call: Call) -> Object:
        if dict(call.query).get("continue"):
            raise Expired("too old")
        answer: Object = original(call)
        return answer

    cluster.handle = compacts  # type: ignore[method-assign]
    assert len((await client.list_all(CONFIGMAPS, page_size=2)).items) == 5


async def test_get_or_none_of_an_absent_object_is_none(client: Client) -> None:
    assert await client.get_or_none(NODES, "absent") is None
    with pytest.raises(NotFound):
        await client.get(NODES, "absent")


async def test_get_or_none_passes_other_errors_on(cluster: FakeCluster, client: Client) -> None:
    cluster.failures.append(Forbidden("no"))
    with pytest.raises(Forbidden):
        await client.get_or_none(NODES, "absent")


async def test_update_of_an_older_revision_is_a_conflict(client: Client) -> None:
    first = await client.create(CONFIGMAPS, configmap("a"))
    await client.update(CONFIGMAPS, first | {"data": {"n": "1"}})
    with pytest.raises(Conflict):
        await client.update(CONFIGMAPS, first | {"data": {"n": "2"}})


async def test_patches_say_their_type_and_subresource(cluster: FakeCluster, client: Client) -> None:
    await client.create(DEPLOYMENTS, configmap("web"))
    patch = [{"op": "add", "path": "/status", "value": {}}]
    await client.patch(DEPLOYMENTS, "web", patch, namespace="default", type=JSON_PATCH, subresource="status")
    assert last(cluster).path == "/apis/apps/v1/namespaces/default/deployments/web/status"
    assert last(cluster).content_type == JSON_PATCH
    assert last(cluster).body == patch


async def test_apply_names_its_manager_and_takes_fields_over(cluster: FakeCluster, client: Client) -> None:
    await client.create(CONFIGMAPS, configmap("a"))
    await client.apply(CONFIGMAPS, configmap("a", n="1"))
    assert last(cluster).content_type == APPLY_PATCH
    assert last(cluster).query == (("fieldManager", "pilothouse"), ("force", "true"))
    assert last(cluster).body["kind"] == "ConfigMap"


async def test_delete_sends_options_only_when_some_are_given(cluster: FakeCluster, client: Client) -> None:
    for name in "ab":
        await client.create(CONFIGMAPS, configmap(name))
    await client.delete(CONFIGMAPS, "a", "default")
    assert last(cluster).body is None
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAPS, "b", "default", uid="another")


def test_a_grace_period_of_zero_is_sent() -> None:
    assert delete_options(0, "Foreground", None, "7") == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "preconditions": {"resourceVersion": "7"},
    }


async def test_logs_ask_for_what_is_given_only(cluster: FakeCluster, client: Client) -> None:
    with pytest.raises(NotFound):
        async with client.logs("absent", "default", follow=True, tail_lines=0):
            pytest.fail("entered")
    assert last(cluster).path == PODS.path("default", "absent", "log")
