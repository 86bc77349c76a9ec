"""Conversions that several wait for, and those that are slow or large."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.turns import take_turns
from tests.engine.apiserver.versions.things import ONE, TWO, V1, V2, convert, definition, thing, watching, webhook
from tests.engine.apiserver.webhooks.listener import Listener


async def test_large_objects_are_converted_in_parts_and_nobody_waits_for_all_of_them(api: Api, listener: Listener) -> None:
    """As JSON, a call has a megabyte: what many users may store must not be decoded at once."""
    free = {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    schema = {"schema": {"openAPIV3Schema": {"type": "object", "properties": free}}}
    await api.post(CRDS, definition(ONE | schema, TWO | schema, conversion=webhook(listener)))
    fields = {f"field-{number}": number for number in range(10_000)}
    for number in range(8):
        await api.post(V1, thing("v1", f"t{number}", host="a") | {"spec": fields})
    listener.asked.clear()
    turns: list[float] = []
    watching_turns = asyncio.ensure_future(take_turns(turns))
    assert len((await api.get(V2))["items"]) == 8
    watching_turns.cancel()
    assert sum(len(review["request"]["objects"]) for review in listener.asked) == 8
    assert max(len(request.body) for request in listener.requests) < 1_200_000
    assert max(turns) < sum(turns) / 3


async def test_a_slow_webhook_holds_up_nobody_but_those_who_wait_for_it(api: Api, converted: Listener) -> None:
    released = asyncio.Event()

    async def slowly(document: Any) -> Any:
        await released.wait()
        return convert(document)

    converted.answer = slowly
    async with watching(api, V1) as plain, watching(api, V2, resourceVersion=(await api.get(V1))["metadata"]["resourceVersion"]) as other:
        waiting = asyncio.ensure_future(anext(other))
        await anext(plain)
        await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        assert (await anext(plain)).object["spec"] == {"host": "b"}
        assert not waiting.done()
        released.set()
        assert (await waiting).object["spec"]["address"] == "b"


async def test_watchers_share_a_conversion(api: Api, converted: Listener) -> None:
    since = (await api.get(V1))["metadata"]["resourceVersion"]
    async with watching(api, V2, resourceVersion=since) as one, watching(api, V2, resourceVersion=since) as other:
        waiting = [asyncio.ensure_future(anext(events)) for events in (one, other)]
        await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        assert [(await each).object["spec"]["address"] for each in waiting] == ["b", "b"]
    assert len(converted.asked) == 1


async def test_who_waits_for_a_conversion_gets_it_when_who_asked_is_out_of_time(api: Api, converted: Listener) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def slowly(document: Any) -> Any:
        asked.set()
        await released.wait()
        return convert(document)

    converted.answer = slowly
    first = asyncio.ensure_future(api.refused("GET", f"{V2}/t", timeout="100ms"))
    await asked.wait()
    second = asyncio.ensure_future(api.get(V2))
    assert (await first).code == 504
    released.set()
    assert (await second)["items"][0]["spec"]["address"] == "a"
    assert len(converted.asked) == 1


async def test_who_wanted_to_share_a_conversion_has_it_begun_anew_when_who_asked_has_left(api: Api, converted: Listener) -> None:
    """A list waits for its own objects first; meanwhile the only one who waited for the other's conversion hangs up."""
    await api.post(V1, thing("v1", "u", host="b"))
    left = asyncio.Event()

    async def slowly(document: Any) -> Any:
        if [each["metadata"]["name"] for each in document["request"]["objects"]] == ["u"]:
            await left.wait()
        elif len(converted.asked) == 1:
            await asyncio.Event().wait()
        return convert(document)

    converted.answer = slowly
    first = asyncio.ensure_future(api.get(f"{V2}/t"))
    await until(lambda: len(converted.asked) == 1)
    second = asyncio.ensure_future(api.names(V2))
    await until(lambda: len(converted.asked) == 2)
    first.cancel()
    await asyncio.wait([first])
    left.set()
    async with asyncio.timeout(5):
        assert await second == ["t", "u"]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def test_who_waits_for_one_object_does_not_fail_for_the_others_of_a_list(api: Api, converted: Listener) -> None:
    await api.post(V1, thing("v1", "bad", host="bad"))
    asked, released = asyncio.Event(), asyncio.Event()

    async def choosily(document: Any) -> Any:
        if len(document["request"]["objects"]) > 1:
            asked.set()
            await released.wait()
            return {}
        return convert(document)

    converted.answer = choosily
    listing = asyncio.ensure_future(api.refused("GET", V2))
    await asked.wait()
    reading = asyncio.ensure_future(api.get(f"{V2}/t"))
    await asyncio.sleep(0)
    released.set()
    assert (await listing).code == 500
    assert (await reading)["spec"]["address"] == "a"
