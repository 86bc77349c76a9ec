"""A node that takes calls and never answers holds only a few of those who ask."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.kubelet import turns
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.turns import MOST_CALLS
from pilothouse.engine.apiserver.kubelet.volumes import NodeVolumes, connecting
from pilothouse.model.errors import Unavailable

NAME = "pvc-11111111-2222-3333-4444-555555555555"


class Silent:
    """A node. asked: how many calls it has taken. answers: set for it to answer them."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.answers.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Silent]:
    found = Silent()
    server = await asyncio.start_unix_server(found.serve, tmp_path / "socket")
    yield found
    found.answers.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
def nodes(tmp_path: Path, node: Silent) -> NodeVolumes:
    return NodeVolumes(connecting("n1", tmp_path / "socket", lambda name: None, KubeletProxy((tmp_path, tmp_path), tmp_path, {})))


async def test_a_node_that_never_answers_holds_a_few_callers(nodes: NodeVolumes, node: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLOW_S", 0.3)
    held = [asyncio.ensure_future(nodes.ensure("n1", NAME, 1)) for _ in range(MOST_CALLS)]
    async with asyncio.timeout(10):
        while node.asked < MOST_CALLS:
            await asyncio.sleep(0.01)
        for _ in range(3):
            with pytest.raises(Unavailable, match=f"node n1 does not answer: {MOST_CALLS} calls wait for it already"):
                await nodes.ensure("n1", NAME, 1)
    assert node.asked == MOST_CALLS
    removing = asyncio.ensure_future(nodes.remove("n1", NAME))
    async with asyncio.timeout(10):
        while node.asked == MOST_CALLS:
            await asyncio.sleep(0.01)
    node.answers.set()
    await asyncio.gather(*held, removing)
    await nodes.ensure("n1", NAME, 1)
    assert nodes._turns._turns == {}, "nothing is kept of nodes that are asked nothing"


async def test_a_node_that_is_quick_has_all_calls_in_their_turn(nodes: NodeVolumes, node: Silent) -> None:
    asking = [asyncio.ensure_future(nodes.ensure("n1", NAME, 1)) for _ in range(5 * MOST_CALLS)]
    async with asyncio.timeout(10):
        while node.asked < MOST_CALLS:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert node.asked == MOST_CALLS
    node.answers.set()
    await asyncio.gather(*asking)
    assert node.asked == 5 * MOST_CALLS
