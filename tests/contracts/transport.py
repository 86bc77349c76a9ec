"""What every transport promises. A suite for an implementation subclasses `TransportContract` and gives it a `transport`
fixture, connected to an API server with a namespace "default" in which it may do everything and which has no pods.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest

from pilothouse.client.transport import JSON_PATCH, MERGE_PATCH, Call, Transport, WatchEvent
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, NotFound
from pilothouse.model.json import Object

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEADLINE_S = 10


def configmap(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"suite": "transport"}}, "data": data}


async def create(transport: Transport, name: str, **data: str) -> Object:
    created: Object = await transport.call(Call("POST", CONFIGMAPS, body=configmap(name, **data)))
    return created


async def names(transport: Transport, *query: tuple[str, str]) -> list[str]:
    found = await transport.call(Call("GET", CONFIGMAPS, query))
    return [item["metadata"]["name"] for item in found["items"]]


async def revision(transport: Transport) -> str:
    found = await transport.call(Call("GET", CONFIGMAPS, (("limit", "1"),)))
    return str(found["metadata"]["resourceVersion"])


def watch_call(since: str, *more: tuple[str, str]) -> Call:
    return Call("GET", CONFIGMAPS, (("watch", "true"), ("resourceVersion", since), ("labelSelector", "suite=transport"), *more))


@asynccontextmanager
async def watching(transport: Transport, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
    async with asyncio.timeout(DEADLINE_S), transport.watch(call) as events:
        yield events


class TransportContract:
    async def test_a_created_object_can_be_read_back_with_its_kind(self, transport: Transport) -> None:
        created = await create(transport, "a", colour="red")
        found = await transport.call(Call("GET", f"{CONFIGMAPS}/a"))
        assert found == created
        assert (found["apiVersion"], found["kind"], found["data"]) == ("v1", "ConfigMap", {"colour": "red"})
        assert found["metadata"]["uid"]
        assert found["metadata"]["resourceVersion"]

    async def test_the_body_of_a_call_is_left_as_it_was(self, transport: Transport) -> None:
        given = configmap("a", colour="red")
        before = deepcopy(given)
        await transport.call(Call("POST", CONFIGMAPS, body=given))
        assert given == before

    async def test_what_was_read_does_not_change_with_later_writes(self, transport: Transport) -> None:
        found = await create(transport, "a", colour="red")
        before = deepcopy(found)
        await transport.call(Call("PATCH", f"{CONFIGMAPS}/a", body={"data": {"colour": "blue"}}, content_type=MERGE_PATCH))
        assert found == before

    async def test_an_absent_object_is_not_found(self, transport: Transport) -> None:
        with pytest.raises(NotFound) as refused:
            await transport.call(Call("GET", f"{CONFIGMAPS}/absent"))
        assert refused.value.message == 'configmaps "absent" not found'
        assert (refused.value.details or {})["name"] == "absent"

    async def test_a_path_that_is_not_served_is_not_found(self, transport: Transport) -> None:
        with pytest.raises(NotFound):
            await transport.call(Call("GET", "/apis/nothing.example/v1/things"))

    async def test_creating_what_exists_is_refused(self, transport: Transport) -> None:
        await create(transport, "a")
        with pytest.raises(AlreadyExists):
            await create(transport, "a")

    async def test_an_update_of_an_older_revision_is_a_conflict(self, transport: Transport) -> None:
        first = await create(transport, "a")
        await transport.call(Call("PUT", f"{CONFIGMAPS}/a", body=first | {"data": {"n": "1"}}))
        with pytest.raises(Conflict):
            await transport.call(Call("PUT", f"{CONFIGMAPS}/a", body=first | {"data": {"n": "2"}}))

    async def test_a_merge_patch_changes_what_it_names_and_removes_what_is_null(self, transport: Transport) -> None:
        await create(transport, "a", colour="red", size="big")
        patch = {"data": {"colour": "blue", "size": None}}
        found = await transport.call(Call("PATCH", f"{CONFIGMAPS}/a", body=patch, content_type=MERGE_PATCH))
        assert found["data"] == {"colour": "blue"}

    async def test_a_json_patch_is_a_list_of_operations(self, transport: Transport) -> None:
        await create(transport, "a", colour="red")
        patch = [{"op": "replace", "path": "/data/colour", "value": "green"}]
        found = await transport.call(Call("PATCH", f"{CONFIGMAPS}/a", body=patch, content_type=JSON_PATCH))
        assert found["data"] == {"colour": "green"}

    async def test_a_deleted_object_is_gone(self, transport: Transport) -> None:
        await create(transport, "a")
        await transport.call(Call("DELETE", f"{CONFIGMAPS}/a"))
        with pytest.raises(NotFound):
            await transport.call(Call("GET", f"{CONFIGMAPS}/a"))

    async def test_deleting_another_generation_of_a_name_is_a_conflict(self, transport: Transport) -> None:
        await create(transport, "a")
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "another"}}
        with pytest.raises(Conflict):
            await transport.call(Call("DELETE", f"{CONFIGMAPS}/a", body=options))

    async def test_a_list_comes_in_pages_of_one_revision(self, transport: Transport) -> None:
        for name in "abc":
            await create(transport, name)
        query = (("labelSelector", "suite=transport"), ("limit", "2"))
        first = await transport.call(Call("GET", CONFIGMAPS, query))
        await create(transport, "bb")
        second = await transport.call(Call("GET", CONFIGMAPS, (*query, ("continue", first["metadata"]["continue"]))))
        assert [item["metadata"]["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
        assert second["metadata"].get("continue", "") == ""
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]

    async def test_query_values_are_taken_as_they_are(self, transport: Transport) -> None:
        await create(transport, "a")
        await create(transport, "b")
        assert await names(transport, ("fieldSelector", "metadata.name=a,metadata.namespace!=x")) == ["a"]
        assert await names(transport, ("labelSelector", "suite in (transport,other), !absent")) == ["a", "b"]

    async def test_a_watch_tells_each_change_after_its_revision(self, transport: Transport) -> None:
        await create(transport, "before")
        async with watching(transport, watch_call(await revision(transport))) as events:
            await create(transport, "a")
            await transport.call(Call("PATCH", f"{CONFIGMAPS}/a", body={"data": {"n": "1"}}, content_type=MERGE_PATCH))
            await transport.call(Call("DELETE", f"{CONFIGMAPS}/a"))
            seen = [await anext(events) for _ in range(3)]
        assert [(event.type, event.object["metadata"]["name"]) for event in seen] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert all((event.object["apiVersion"], event.object["kind"]) == ("v1", "ConfigMap") for event in seen)
        revisions = [int(event.object["metadata"]["resourceVersion"]) for event in seen]
        assert revisions == sorted(set(revisions))

    async def test_a_watch_without_a_revision_begins_with_what_is_there(self, transport: Transport) -> None:
        await create(transport, "a")
        async with watching(transport, watch_call("")) as events:
            event = await anext(events)
        assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "a")

    async def test_a_watch_resumes_from_the_revision_of_an_event(self, transport: Transport) -> None:
        created = await create(transport, "a")
        await create(transport, "b")
        async with watching(transport, watch_call(created["metadata"]["resourceVersion"])) as events:
            assert (await anext(events)).object["metadata"]["name"] == "b"

    async def test_a_watch_tells_an_object_that_leaves_its_selection_as_deleted(self, transport: Transport) -> None:
        await create(transport, "a")
        async with watching(transport, watch_call(await revision(transport))) as events:
            patch = {"metadata": {"labels": {"suite": "other"}}}
            await transport.call(Call("PATCH", f"{CONFIGMAPS}/a", body=patch, content_type=MERGE_PATCH))
            assert (await anext(events)).type == "DELETED"

    async def test_a_watch_ends_when_its_time_is_over(self, transport: Transport) -> None:
        async with watching(transport, watch_call(await revision(transport), ("timeoutSeconds", "1"))) as events:
            assert [event async for event in events if event.type != "BOOKMARK"] == []

    async def test_objects_larger_than_any_buffer_pass_through_a_watch(self, transport: Transport) -> None:
        async with watching(transport, watch_call(await revision(transport))) as events:
            await create(transport, "big", text="x" * 700_000)
            await create(transport, "small")
            seen = [await anext(events), await anext(events)]
        assert [len(event.object.get("data", {}).get("text", "")) for event in seen] == [700_000, 0]

    async def test_many_watches_see_the_same(self, transport: Transport) -> None:
        since = await revision(transport)

        async def first() -> Any:
            async with watching(transport, watch_call(since)) as events:
                return (await anext(events)).object["metadata"]["uid"]

        async with asyncio.TaskGroup() as group:
            seen = [group.create_task(first()) for _ in range(20)]
            created = await create(transport, "a")
        assert {task.result() for task in seen} == {created["metadata"]["uid"]}

    async def test_a_refused_watch_raises_before_it_is_entered(self, transport: Transport) -> None:
        with pytest.raises(NotFound):
            async with transport.watch(Call("GET", "/apis/nothing.example/v1/things", (("watch", "true"),))):
                pytest.fail("entered")

    async def test_the_log_of_an_absent_pod_is_not_found(self, transport: Transport) -> None:
        with pytest.raises(NotFound):
            async with transport.stream(Call("GET", "/api/v1/namespaces/default/pods/absent/log", accept="*/*")):
                pytest.fail("entered")

    async def test_a_session_with_an_absent_pod_is_not_found(self, transport: Transport) -> None:
        call = Call("GET", "/api/v1/namespaces/default/pods/absent/exec", (("command", "true"), ("stdout", "true")))
        with pytest.raises(ApiError) as refused:
            async with transport.connect(call, ("v5.channel.k8s.io",)):
                pytest.fail("entered")
        assert refused.value.code == NotFound.code
