"""What holds for every object of every kind, whatever is in it, and for every history of objects."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.client.transport import Call
from tests.engine.apiserver.api import CONFIGMAPS, Api
from tests.engine.apiserver.invariants.conftest import Setting
from tests.engine.apiserver.invariants.drawn import DRAWN, PATHS, SEEDS
from tests.engine.apiserver.invariants.objects import STATUSES


@settings(DRAWN, max_examples=12)
@given(path=PATHS, seed=SEEDS)
async def test_an_object_is_what_its_answers_say(setting: Setting, path: str, seed: int) -> None:
    await setting.life(path, Random(seed)).lived()


@pytest.mark.slow
@pytest.mark.timeout(400)
@settings(DRAWN, max_examples=600)
@given(path=PATHS, seed=SEEDS)
async def test_any_object_is_what_its_answers_say(setting: Setting, path: str, seed: int) -> None:
    await setting.life(path, Random(seed)).lived()


@settings(DRAWN, max_examples=10)
@given(path=st.sampled_from(sorted(STATUSES)), seed=SEEDS)
async def test_a_status_is_what_its_answers_say(setting: Setting, path: str, seed: int) -> None:
    await setting.life(path, Random(seed)).had_a_status()


@pytest.mark.slow
@pytest.mark.timeout(400)
@settings(DRAWN, max_examples=400)
@given(path=st.sampled_from(sorted(STATUSES)), seed=SEEDS)
async def test_any_status_is_what_its_answers_say(setting: Setting, path: str, seed: int) -> None:
    await setting.life(path, Random(seed)).had_a_status()


WRITES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["write", "label", "delete"]), st.integers(0, 2)), max_size=12)


@settings(DRAWN, max_examples=15)
@given(writes=WRITES)
async def test_a_watch_tells_the_writes_and_pages_make_up_the_list(api: Api, writes: list[tuple[str, str, int]]) -> None:
    await api.delete(CONFIGMAPS)
    since = (await api.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    answers = [(name, await written(api, name, deed, value)) for name, deed, value in writes]
    for selector in ("", "a=1"):
        assert await events(api, since, selector) == list(told(answers, selector))
    whole = (await api.get(CONFIGMAPS))["items"]
    assert await pages(api, 2) == whole
    assert [{"apiVersion": "v1", "kind": "ConfigMap", **each} for each in whole] == list(left(answers))


async def written(api: Api, name: str, deed: str, value: int) -> Any:
    """The object as it is answered, None when the write takes it away or there is none."""
    path, there = f"{CONFIGMAPS}/{name}", name in await api.names(CONFIGMAPS)
    if deed == "delete":
        if there:
            await api.delete(path)
        return None
    change = {"data": {"k": str(value)}} if deed == "write" else {"metadata": {"labels": {"a": str(value)}}}
    if there:
        return await api.patch(path, change)
    return await api.post(CONFIGMAPS, {"metadata": {"name": name, **change.get("metadata", {})}, "data": change.get("data", {})})


def told(answers: list[tuple[str, Any]], selector: str) -> Iterator[tuple[str, str, str]]:
    """Type, name and version of each event that a watch has to see; deletions are answered without their version."""
    stored: dict[str, Any] = {}
    for name, after in answers:
        before = stored.get(name)
        stored[name] = after
        if before == after:
            continue
        was, is_in = matches(before, selector), matches(after, selector)
        if was or is_in:
            type = "MODIFIED" if was and is_in else "ADDED" if is_in else "DELETED"
            yield type, name, "" if type == "DELETED" else after["metadata"]["resourceVersion"]


def matches(obj: Any, selector: str) -> bool:
    return obj is not None and (not selector or obj["metadata"].get("labels") == {"a": "1"})


async def events(api: Api, since: str, selector: str) -> list[tuple[str, str, str]]:
    query = (("watch", "true"), ("resourceVersion", since), ("labelSelector", selector))
    await api.post(CONFIGMAPS, {"metadata": {"name": "last", "labels": {"a": "1"}}})
    await api.delete(f"{CONFIGMAPS}/last")
    found: list[tuple[str, str, str]] = []
    async with api.transport.watch(Call("GET", CONFIGMAPS, query)) as stream:
        async for type, obj in stream:
            metadata = obj["metadata"]
            if metadata["name"] == "last":
                break
            found.append((type, metadata["name"], "" if type == "DELETED" else metadata["resourceVersion"]))
    return found


async def pages(api: Api, limit: int) -> list[Any]:
    found, token = [], ""
    while True:
        page = await api.get(CONFIGMAPS, limit=str(limit), **({"continue": token} if token else {}))
        found += page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return found


def left(answers: list[tuple[str, Any]]) -> Iterator[Any]:
    last = dict(answers)
    return (last[name] for name in sorted(last) if last[name] is not None)
