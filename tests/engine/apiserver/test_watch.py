"""Watches: what they begin with, what they pass, how they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.client.transport import Call, WatchEvent
from pilothouse.engine.apiserver import inprocess
from pilothouse.engine.apiserver.request.query import parse
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.model.errors import ApiError, Invalid
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.kinds.objects import brief


@asynccontextmanager
async def watching(api: Api, **query: str) -> AsyncIterator[AsyncIterator[WatchEvent]]:
    async with asyncio.timeout(10), api.transport.watch(Call("GET", CONFIGMAPS, (("watch", "1"), *query.items()))) as events:
        yield events


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[tuple[str, str]]:
    found = [await anext(events) for _ in range(count)]
    return [(event.type, event.object["metadata"].get("name", "")) for event in found]


async def test_without_a_version_a_watch_begins_with_what_is_there(api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    async with watching(api) as events:
        assert await take(events, 1) == [("ADDED", "a")]
        await api.patch(f"{CONFIGMAPS}/a", {"data": {"x": "1"}})
        await api.delete(f"{CONFIGMAPS}/a")
        assert await take(events, 2) == [("MODIFIED", "a"), ("DELETED", "a")]


async def test_from_a_version_a_watch_misses_nothing_since(api: Api) -> None:
    version = (await api.post(CONFIGMAPS, configmap("a")))["metadata"]["resourceVersion"]
    await api.post(CONFIGMAPS, configmap("b"))
    async with watching(api, resourceVersion=version) as events:
        assert await take(events, 1) == [("ADDED", "b")]


async def test_leaving_a_selector_is_a_deletion_and_entering_it_an_addition(api: Api) -> None:
    await api.post(CONFIGMAPS, {"metadata": {"name": "a", "labels": {"x": "1"}}})
    async with watching(api, labelSelector="x=1") as events:
        await take(events, 1)
        await api.patch(f"{CONFIGMAPS}/a", {"metadata": {"labels": {"x": "2"}}})
        await api.patch(f"{CONFIGMAPS}/a", {"metadata": {"labels": {"x": "1"}}})
        left = await anext(events)
        assert (left.type, left.object["metadata"]["labels"]) == ("DELETED", {"x": "1"})
        assert await take(events, 1) == [("ADDED", "a")]


@pytest.mark.parametrize("fields", ["metadata.name=a", "metadata.namespace=default,metadata.name!=b"])
async def test_a_watch_by_a_field_passes_what_has_it_and_nothing_else(api: Api, fields: str) -> None:
    async with watching(api, fieldSelector=fields, resourceVersion=(await api.get(CONFIGMAPS))["metadata"]["resourceVersion"]) as events:
        for name in "ba":
            await api.post(CONFIGMAPS, configmap(name))
        await api.delete(f"{CONFIGMAPS}/a")
        assert await take(events, 2) == [("ADDED", "a"), ("DELETED", "a")]


@pytest.mark.parametrize("options", [{"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, {"resourceVersion": "0"}, {}])
async def test_initial_events_end_with_a_bookmark(api: Api, options: dict[str, str]) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    async with watching(api, **options, allowWatchBookmarks="true") as events:
        await take(events, 1)
        bookmark = await anext(events)
    assert bookmark.type == "BOOKMARK"
    assert bookmark.object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_when_its_time_is_up(api: Api) -> None:
    async with watching(api, timeoutSeconds="1") as events:
        assert [event async for event in events] == []


async def test_a_watcher_that_does_not_drain_is_cut(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inprocess, "BOUND", 3)
    async with watching(api) as events:
        await api.post(CONFIGMAPS, configmap("first"))
        await anext(events)
        for number in range(5):
            await api.post(CONFIGMAPS, configmap(f"c{number}"))
        with pytest.raises(ApiError, match="events behind"):
            await anext(events)


async def test_a_version_that_is_no_number_is_refused_before_anything_is_streamed(api: Api) -> None:
    assert (await api.refused("GET", CONFIGMAPS, watch="1", resourceVersion="abc")).code == 500


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sendInitialEvents=false", ["resourceVersionMatch Forbidden"]),
        ("resourceVersionMatch=Exact", ["resourceVersionMatch Forbidden", "resourceVersionMatch NotSupported"]),
        ("resourceVersionMatch=NotOlderThan&sendInitialEvents=true&continue=x", ["resourceVersionMatch Forbidden"]),
    ],
)
def test_options_of_a_watch_that_do_not_go_together(query: str, expected: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        listing.watch_begins_with_all(parse(query))
    assert brief(caught.value.causes) == expected


@pytest.mark.parametrize("query", ["sendInitialEvents=false", "sendInitialEvents=true"])
def test_a_list_has_no_initial_events(query: str) -> None:
    with pytest.raises(Invalid) as caught:
        listing.page_of(parse(f"{query}&resourceVersionMatch=Exact"), "/")
    assert brief(caught.value.causes) == ["resourceVersionMatch Forbidden", "sendInitialEvents Forbidden"]
