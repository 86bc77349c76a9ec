"""What the lean transport has of its own: connections that are kept, and answers that end in every way HTTP/1.1 has."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pilothouse.client import direct
from pilothouse.client.direct import DirectTransport
from pilothouse.client.failures import ConnectionLost
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.transport import Call
from pilothouse.model.errors import ApiError, Timeout

POST = Call("POST", "/x", body={})


class Scripted:
    """A server that gives each connection's requests the same bytes, and closes after them where it is told to."""

    def __init__(self, answer: bytes, *, closes: bool, resets: bool = False) -> None:
        self.answer = answer
        self.resets = resets
        self.closes = closes
        self.connections = 0
        self.tasks: set[asyncio.Task[None] | None] = set()
        self._muted = 0

    def mute(self) -> None:
        """Nothing more is answered on the connections that there are, as when a network has forgotten them."""
        self._muted = self.connections

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await self._answer(reader, writer, number)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while head := await reader.read(65536):
            assert b" HTTP/1.1\r\n" in head
            if number <= self._muted:
                continue
            writer.write(self.answer)
            if self.closes:
                break
        if self.resets:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@asynccontextmanager
async def connected(script: Scripted) -> AsyncIterator[DirectTransport]:
    async with await asyncio.start_server(script.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = DirectTransport(Kubeconfig(f"http://127.0.0.1:{port}"))
        yield transport
        await transport.close()
        await asyncio.wait([task for task in script.tasks if task is not None], timeout=10)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def test_a_connection_serves_several_calls() -> None:
    script = Scripted(OK, closes=False)
    async with connected(script) as transport:
        assert [await transport.call(POST) for _ in range(3)] == [{}, {}, {}]
    assert script.connections == 1


async def test_a_connection_that_the_server_has_closed_meanwhile_is_not_written_to() -> None:
    script = Scripted(OK, closes=True)
    async with connected(script) as transport:
        await transport.call(POST)
        async with asyncio.timeout(10):
            while transport._idle[0].is_open:
                await asyncio.sleep(0.01)
        assert await transport.call(POST) == {}
    assert script.connections == 2


async def test_nor_is_one_whose_server_was_killed() -> None:
    script = Scripted(OK, closes=True, resets=True)
    async with connected(script) as transport:
        await transport.call(POST)
        async with asyncio.timeout(10):
            while transport._idle[0].is_open:
                await asyncio.sleep(0.01)
        assert transport._idle[0].reader.exception() is not None
        assert await transport.call(POST) == {}
    assert script.connections == 2


async def test_a_connection_that_has_rested_for_long_is_closed_before_the_server_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Scripted(OK, closes=False)
    async with connected(script) as transport:
        first = asyncio.gather(*(transport.call(POST) for _ in range(3)))
        await first
        assert len(transport._idle) == 3
        await transport.call(POST)
        assert (script.connections, len(transport._idle)) == (3, 3)
        monkeypatch.setattr(direct, "IDLE_S", 0.0)
        await transport.call(POST)
        assert (script.connections, len(transport._idle)) == (4, 1), "nor are others kept"


async def test_a_call_without_an_answer_costs_no_other_call_its_time() -> None:
    script = Scripted(OK, closes=False)
    async with connected(script) as transport:
        await asyncio.gather(*(transport.call(POST) for _ in range(3)))
        script.mute()
        with pytest.raises(Timeout):
            await transport.call(replace(POST, timeout_s=0.05))
        assert await transport.call(replace(POST, timeout_s=10.0)) == {}
    assert script.connections == 4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]",
    ],
    ids=["to the end of the connection", "in chunks", "after an interim answer"],
)
async def test_an_answer_ends_where_the_server_says(answer: bytes) -> None:
    async with connected(Scripted(answer, closes=True)) as transport:
        assert await transport.call(POST) == [1]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["nothing", "too short", "no last chunk", "another protocol"],
)
async def test_an_answer_that_is_cut_off_is_a_lost_connection(answer: bytes) -> None:
    async with connected(Scripted(answer, closes=True)) as transport:
        with pytest.raises(ConnectionLost):
            await transport.call(POST)


async def test_a_redirect_is_shown_and_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 9\r\n\r\nsign in\r\n"
    async with connected(Scripted(answer, closes=True)) as transport:
        with pytest.raises(ApiError, match="POST /x: HTTP 302: sign in"):
            await transport.call(POST)
