"""Work that goes on though nobody waits for it."""

import asyncio

import pytest

from pilothouse.engine.node.local_volumes import works
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.works import Works
from tests.engine.node.local_volumes.conftest import WAIT_S


async def test_who_asks_for_what_takes_long_is_answered_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few slow copies would hold all workers of the control plane, and with them everybody's volumes."""
    monkeypatch.setattr(works, "WAIT_S", WAIT_S)
    going, released = Works[str](), asyncio.Event()

    async def slow(progress: Progress) -> str:
        await released.wait()
        return "done"

    async with asyncio.timeout(5):
        assert isinstance(await going.result("copy", slow), Progress)
    released.set()
    assert await going.result("copy", slow) == "done"
    await going.close()
