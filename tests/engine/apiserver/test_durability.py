"""Answers that rest on a write of somebody else's wait until that write can no longer be lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from pilothouse.engine.store.database import Database, Row
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap


class Held(Database):
    """A disk that takes no write while the gate is shut."""

    gate = threading.Event()

    def append(self, rows: list[Row]) -> None:
        self.gate.wait()
        super().append(rows)


@pytest.fixture
async def gate(store: Store) -> AsyncIterator[threading.Event]:
    Held.gate.set()
    store._database.__class__ = Held
    yield Held.gate
    Held.gate.set()


Answer = asyncio.Future[Any]


async def waiting(gate: threading.Event, first: Answer, call: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """The second call, once it is certain that it waits for the first one's write."""
    await turns(50)
    second = asyncio.ensure_future(call)
    await turns(200)
    assert not second.done()
    assert not first.done()
    gate.set()
    return second


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def code_of(call: Answer) -> int:
    with pytest.raises(ApiError) as refused:
        await call
    return refused.value.code


async def test_exists_is_answered_when_what_exists_is_on_disk(api: Api, gate: threading.Event) -> None:
    gate.clear()
    first = asyncio.ensure_future(api.post(CONFIGMAPS, configmap("a")))
    second = await waiting(gate, first, api.post(CONFIGMAPS, configmap("a")))
    assert await code_of(second) == 409
    assert first.done()


async def test_not_found_is_answered_when_the_deletion_is_on_disk(api: Api, gate: threading.Event) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    gate.clear()
    first = asyncio.ensure_future(api.delete(f"{CONFIGMAPS}/a"))
    second = await waiting(gate, first, api.delete(f"{CONFIGMAPS}/a"))
    assert await code_of(second) == 404
    assert first.done()


async def test_a_deletion_with_nothing_left_to_do_is_answered_when_the_first_is_on_disk(api: Api, gate: threading.Event) -> None:
    held = configmap("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.post(CONFIGMAPS, held)
    gate.clear()
    first = asyncio.ensure_future(api.delete(f"{CONFIGMAPS}/a"))
    second = await waiting(gate, first, api.delete(f"{CONFIGMAPS}/a"))
    assert (await second)["metadata"]["deletionTimestamp"]
    assert first.done()


async def test_an_update_that_changes_nothing_is_answered_when_what_it_shows_is_on_disk(api: Api, gate: threading.Event) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    gate.clear()
    change = {"data": {"x": "1"}}
    first = asyncio.ensure_future(api.patch(f"{CONFIGMAPS}/a", change))
    second = await waiting(gate, first, api.patch(f"{CONFIGMAPS}/a", change))
    assert (await second)["metadata"]["resourceVersion"] == (await first)["metadata"]["resourceVersion"]
