"""How the deadline stage ends requests; over the whole chain in test_chain.py."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.apiserver.chain.deadline import Deadlined
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.model.errors import Timeout


async def answered(stage: Deadlined, seconds: float) -> Any:
    async def work(_: ApiRequest) -> str:
        await asyncio.sleep(seconds)
        return "done"

    request = ApiRequest("GET", routing.parse("/api/v1/namespaces/default/pods"), {}, PlainHeaders({}))
    return await stage(request, work)


def asked(stage: Deadlined, seconds: float) -> "asyncio.Task[Any]":
    return asyncio.ensure_future(answered(stage, seconds))


async def test_each_request_ends_at_its_own_time() -> None:
    stage = Deadlined(0.2)
    first = asked(stage, 30)
    await asyncio.sleep(0.1)
    second, third = asked(stage, 30), asked(stage, 0.15)
    with pytest.raises(Timeout):
        await first
    assert not second.done()
    assert await third == "done"
    with pytest.raises(Timeout):
        await second


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asked(Deadlined(30), 30)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_caller_that_has_waited_in_vain_is_not_cancelled_itself() -> None:
    with pytest.raises(Timeout):
        await answered(Deadlined(0.05), 30)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_after_a_rest_requests_still_end() -> None:
    stage = Deadlined(0.05)
    assert await asked(stage, 0) == "done"
    await asyncio.sleep(0.1)
    with pytest.raises(Timeout):
        await asked(stage, 30)
