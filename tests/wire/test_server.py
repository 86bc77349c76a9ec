"""How a server ends: politely within its grace, and surely after it."""

import asyncio

import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed

from pilothouse.wire import Request, Response, serve
from tests.wire.conftest import Connect, echo
from tests.wire.raw import RawClient


async def test_request_in_hand_is_answered_before_the_server_ends(connect: Connect) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        begun.set()
        await release.wait()
        return Response(200, (), b"done")

    server = await serve(handler)
    client = await connect(server)
    client.get("/")
    await begun.wait()
    closing = asyncio.ensure_future(server.close(5))
    await asyncio.sleep(0)
    release.set()
    answer = await client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"done", "close")
    await closing


async def test_request_that_outlasts_the_grace_is_cut(connect: Connect) -> None:
    begun = asyncio.Event()
    cancelled = False

    async def handler(request: Request) -> Response:
        nonlocal cancelled
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = True
        return Response(200)

    server = await serve(handler)
    client = await connect(server)
    client.get("/")
    await begun.wait()
    await server.close(0.05)
    assert cancelled
    assert server.connections == 0


async def test_idle_connections_and_new_ones_are_not_served_any_more(connect: Connect) -> None:
    server = await serve(echo)
    port = server.port
    client = await connect(server)
    client.get("/")
    assert (await client.answer()).status == 200
    await server.close(5)
    assert await client.ended() == b""
    with pytest.raises(ConnectionError):
        await RawClient.connect(port)


async def test_streams_end_whole_when_the_server_closes(connect: Connect) -> None:
    async def handler(request: Request) -> None:
        stream = request.stream()
        stream.write(b"before")
        await stream.closed()

    server = await serve(handler)
    client = await connect(server)
    client.get("/")
    await client.read_until(b"before")
    async with asyncio.timeout(2):
        await server.close(5)
    assert await client.ended() == b"\r\n0\r\n\r\n"


async def test_websockets_are_told_that_the_server_goes_away() -> None:
    async def handler(request: Request) -> None:
        socket = await request.websocket()
        await socket.receive()

    server = await serve(handler)
    async with ws_connect(f"ws://127.0.0.1:{server.port}/") as client:
        closing = asyncio.ensure_future(server.close(5))
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        async with asyncio.timeout(2):
            await closing


async def test_server_closes_at_the_end_of_its_block() -> None:
    async with await serve(echo) as server:
        client = await RawClient.connect(server.port)
        client.get("/")
        assert (await client.answer()).status == 200
    assert await client.ended() == b""
    await client.close()
