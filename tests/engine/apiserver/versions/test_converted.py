"""Versions that a webhook converts: reads, writes, lists and watches."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError, Expired
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import ONE, TWO, V1, V2, convert, definition, redefine, thing, version, watching, webhook
from tests.engine.apiserver.webhooks.listener import Listener


async def test_an_object_is_converted_for_who_reads_another_version(api: Api, converted: Listener) -> None:
    assert (await api.get(f"{V2}/t"))["spec"] == {"address": "a", "port": "80"}
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}
    (review,) = converted.asked
    assert (review["apiVersion"], review["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    assert review["request"]["desiredAPIVersion"] == "example.com/v2"
    assert [(each["apiVersion"], each["kind"], each["spec"]) for each in review["request"]["objects"]] == [
        ("example.com/v1", "Thing", {"host": "a"})
    ]


async def test_what_is_written_is_converted_to_the_storage_version(api: Api, converted: Listener, store: Store) -> None:
    made = await api.post(V2, thing("v2", "u", address="b"))
    assert (made["apiVersion"], made["spec"]) == ("example.com/v2", {"address": "b", "port": "80"})
    stored = store.get("/things.example.com/default/u")
    assert stored is not None
    assert (stored.value["apiVersion"], stored.value["spec"]) == ("example.com/v1", {"host": "b", "port": "80"})
    assert (await api.get(f"{V1}/u"))["spec"] == {"host": "b", "port": "80"}


async def test_updates_patches_and_applies_speak_of_their_own_version(api: Api, converted: Listener) -> None:
    assert (await api.patch(f"{V2}/t", {"spec": {"address": "b"}}))["spec"] == {"address": "b", "port": "80"}
    current = await api.get(f"{V2}/t")
    assert (await api.put(f"{V2}/t", current | {"spec": {"address": "c"}}))["spec"] == {"address": "c", "port": "80"}
    config = thing("v2", address="d")
    applied = await api.patch(f"{V2}/t", config, "application/apply-patch+yaml", fieldManager="me", force="true")
    assert applied["spec"] == {"address": "d", "port": "80"}
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "d", "port": "80"}
    assert (await api.delete(f"{V2}/t"))["status"] == "Success"


async def test_a_page_of_a_list_is_converted_in_one_call(api: Api, converted: Listener) -> None:
    for name in ("u", "v"):
        await api.post(V1, thing("v1", name, host=name))
    assert [item["spec"]["address"] for item in (await api.get(V2))["items"]] == ["a", "u", "v"]
    assert [len(review["request"]["objects"]) for review in converted.asked] == [3]
    await api.get(V2)
    assert len(converted.asked) == 1


async def test_a_watch_shows_converted_objects_in_their_order(api: Api, converted: Listener, watcher: Api) -> None:
    async with watching(watcher, V2) as events:
        assert (await anext(events)).object["spec"]["address"] == "a"
        for host in ("b", "c", "d"):
            await api.patch(f"{V1}/t", {"spec": {"host": host}})
        await api.delete(f"{V1}/t")
        found = [await anext(events) for _ in range(4)]
        assert [(event.type, event.object["spec"]["address"]) for event in found] == [
            ("MODIFIED", "b"),
            ("MODIFIED", "c"),
            ("MODIFIED", "d"),
            ("DELETED", "d"),
        ]
        assert {event.object["apiVersion"] for event in found} == {"example.com/v2"}


async def test_a_write_that_was_judged_by_an_earlier_schema_is_not_stored(api: Api, converted: Listener) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def slowly(document: Any) -> Any:
        asked.set()
        await released.wait()
        return convert(document)

    converted.answer = slowly
    writing = asyncio.ensure_future(api.refused("POST", V2, thing("v2", "u", address="b")))
    await asked.wait()
    await redefine(api, ONE, version("v2", {"address": {"type": "string", "maxLength": 0}}), conversion=webhook(converted))
    released.set()
    assert (await writing).code == 409
    assert await api.names(V1) == ["t"]


async def test_a_write_behind_a_change_of_its_definition_that_is_not_on_disk_is_answered_409(api: Api, store: Store) -> None:
    await api.post(CRDS, definition(ONE))
    record = store.get("/customresourcedefinitions.apiextensions.k8s.io//things.example.com")
    assert record is not None
    changed = record.value | {"metadata": record.value["metadata"] | {"generation": 2}}
    changing = asyncio.ensure_future(store.update(record.key, changed, expected=record.revision))
    error, _ = await asyncio.gather(api.refused("POST", V1, thing("v1")), changing)
    assert error.code == 409


async def test_a_watch_is_over_when_its_objects_cannot_be_converted(api: Api, converted: Listener, watcher: Api) -> None:
    converted.answer = lambda document: {"nothing": "useful"}
    async with watching(watcher, V2, resourceVersion=(await api.get(V1))["metadata"]["resourceVersion"]) as events:
        await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        with pytest.raises(ApiError, match=r"conversion webhook for example\.com/v1, Kind=Thing failed"):
            await anext(events)


async def test_a_watch_that_had_to_leave_a_change_out_shows_nothing_after_it(
    api: Api, converted: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.verbs.watch.MOST_PENDING", 2)
    calls = asyncio.Semaphore(0)

    async def slowly(document: Any) -> Any:
        await calls.acquire()
        return convert(document)

    converted.answer = slowly
    async with watching(api, V2, resourceVersion=(await api.get(V1))["metadata"]["resourceVersion"]) as events:
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        for host in "abcd":
            await api.patch(f"{V1}/t", {"spec": {"host": host}})
        calls.release()
        seen = [(await first).object["spec"]["address"]]
        await api.patch(f"{V1}/t", {"spec": {"host": "e"}})
        for _ in range(4):
            calls.release()
        seen.append((await anext(events)).object["spec"]["address"])
        with pytest.raises(Expired):
            await anext(events)
        assert seen == ["b", "c"]


async def test_objects_from_before_the_second_version_are_converted_too(api: Api, listener: Listener) -> None:
    await api.post(CRDS, definition(ONE))
    await api.post(V1, thing("v1", host="a"))
    await redefine(api, ONE | {"storage": False}, TWO | {"storage": True}, conversion=webhook(listener))
    assert (await api.get(f"{V2}/t"))["spec"] == {"address": "a", "port": "80"}
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}
