"""What the API server asks of a node in another process: over the node's socket, with the node's own words when it refuses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.engine.apiserver.kubelet import connector as remote_connector
from pilothouse.engine.apiserver.kubelet.connector import RemoteNode
from pilothouse.engine.apiserver.nodes import LogOptions
from pilothouse.engine.node.streams.server import NodeServer
from pilothouse.engine.streaming.sessions import PortStream
from pilothouse.model.errors import BadRequest, Unavailable
from pilothouse.model.json import Object

POD: Object = {"metadata": {"name": "p", "namespace": "default", "uid": "u/1"}, "spec": {"nodeName": "n1"}}


class FakeConnector:
    """One pod whose container says what it is given, and whose port is one of this process."""

    def __init__(self, lines: list[bytes], port: int = 0) -> None:
        self.lines = lines
        self.port = port
        self.asked: list[Any] = []
        self.more = asyncio.Event()

    async def logs(self, pod: Object, container: str, options: Any) -> AsyncIterator[bytes]:
        self.asked.append((pod, container, options))
        if container == "no":
            raise BadRequest("container no is not valid for pod p")
        for line in self.lines:
            yield line
        if options.follow:
            await self.more.wait()
            yield b"late\n"

    async def connect(self, pod: Object, port: int) -> PortStream:
        if port != 80:
            raise BadRequest(f"nobody listens on {port}")
        return PortStream(*await asyncio.open_connection("127.0.0.1", self.port))


@asynccontextmanager
async def node(folder: Path, connector: FakeConnector | None) -> AsyncIterator[RemoteNode]:
    server = NodeServer()
    if connector is not None:
        server.pods = SimpleNamespace(connector=connector, pod=lambda uid: POD if uid == "u/1" else None)
    async with await server.listen(folder / "node.sock"):
        yield RemoteNode(folder / "node.sock")


async def read(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_log_arrives_whole_with_its_options(tmp_path: Path) -> None:
    connector = FakeConnector([b"x" * 70_000 + b"\n", b"end\n"])
    options = LogOptions(previous=True, timestamps=True, tail=7, since="2026-01-01T00:00:00Z", limit_bytes=10, stream="Stderr")
    async with node(tmp_path, connector) as remote:
        assert await read(remote.logs(POD, "c", options)) == b"x" * 70_000 + b"\nend\n"
    (pod, container, asked) = connector.asked[0]
    assert (pod, container) == (POD, "c")
    assert {name: getattr(asked, name) for name in LogOptions.__slots__} == {name: getattr(options, name) for name in LogOptions.__slots__}


async def test_a_followed_log_goes_on(tmp_path: Path) -> None:
    connector = FakeConnector([])
    async with node(tmp_path, connector) as remote, asyncio.timeout(10):
        pieces = remote.logs(POD, "c", LogOptions(follow=True))
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0.3)
        connector.more.set()
        assert await waiting == b"late\n"
        assert await read(pieces) == b""


async def test_a_refusal_keeps_its_words_and_its_kind(tmp_path: Path) -> None:
    async with node(tmp_path, FakeConnector([])) as remote:
        with pytest.raises(BadRequest, match="container no is not valid for pod p"):
            await read(remote.logs(POD, "no", LogOptions()))
        with pytest.raises(BadRequest, match="nobody listens on 81"):
            await remote.connect(POD, 81)


async def test_a_node_that_is_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="node n1 does not answer"):
        await read(RemoteNode(tmp_path / "nosuch.sock").logs(POD, "c", LogOptions()))
    with pytest.raises(Unavailable, match="node n1 does not answer"):
        await RemoteNode(tmp_path / "nosuch.sock").exec(POD, "c", ["x"], stdin=False, stdout=True, stderr=True, tty=False)


async def test_a_node_that_is_there_and_says_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_connector, "HEAD_S", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "node.sock"))
        silent.listen()
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable, match="node n1 does not answer"):
                await read(RemoteNode(tmp_path / "node.sock").logs(POD, "c", LogOptions()))


async def test_while_no_agent_runs_the_node_says_so(tmp_path: Path) -> None:
    async with node(tmp_path, None) as remote:
        with pytest.raises(Unavailable, match="agent is not running"):
            await remote.connect(POD, 80)


async def test_a_forwarded_port_ends_each_way_by_itself(tmp_path: Path) -> None:
    async def echo_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(-1) + b" and goodbye")
        writer.close()

    async with await asyncio.start_server(echo_at_the_end, "127.0.0.1", 0) as server, asyncio.timeout(10):
        connector = FakeConnector([], server.sockets[0].getsockname()[1])
        async with node(tmp_path, connector) as remote:
            stream = await remote.connect(POD, 80)
            await stream.send(b"hello " * 20_000)
            await stream.end_of_input()
            said = b""
            while (piece := await stream.receive()) is not None:
                said += piece
            await stream.close()
    assert said == b"hello " * 20_000 + b" and goodbye"
