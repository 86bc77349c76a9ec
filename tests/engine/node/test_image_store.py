"""Pulling images: who shares a pull with whom, and how one that fails is told."""

import asyncio

import pytest

from pilothouse.engine.node.images.store import ImageStore
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from tests.simulation.fake_runtime import FakeRuntime

IMAGE = "registry.example/app:1"


async def test_a_pull_is_shared_by_equal_credentials_alone() -> None:
    runtime = FakeRuntime(remote={IMAGE})
    store = ImageStore(runtime)
    known = api.AuthConfig(username="a", password="b")
    await asyncio.gather(*(store.pull(IMAGE, [known]) for _ in range(3)))
    assert len(runtime.called("PullImage")) == 1
    await asyncio.gather(store.pull(IMAGE, [known]), store.pull(IMAGE, []))
    assert len(runtime.called("PullImage")) == 3
    await store.close()


async def test_a_pull_that_fails_is_told_to_whoever_asked_and_to_nobody_else() -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
    store = ImageStore(FakeRuntime())
    with pytest.raises(RuntimeFailure, match="not found"):
        await store.pull(IMAGE, [])
    await asyncio.sleep(0)
    assert not reports
    await store.close()
