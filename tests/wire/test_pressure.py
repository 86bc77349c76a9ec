"""What a client can make the server hold: answers it does not read, bodies that nobody has asked it for."""

import asyncio
from collections.abc import Callable

import pytest

from pilothouse.wire import Limits, Request, Response, serve
from tests.wire.conftest import Connect, Start, echo

PIECE = b"x" * 1_000_000


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_who_does_not_read_its_answers_gets_no_further_ones(start: Start, connect: Connect) -> None:
    handled = 0

    async def handler(request: Request) -> Response:
        nonlocal handled
        handled += 1
        return Response(200, (), PIECE)

    server = await start(handler)
    client = await connect(server)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(30):
        client.get("/")
    await until(lambda: any(each._blocked for each in server._connections))
    assert sum(each.buffered for each in server._connections) < 2 * len(PIECE)
    assert handled < 30
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(30):
        assert (await client.answer()).body == PIECE


async def test_a_connection_whose_answers_are_never_read_ends(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), PIECE * 20)

    server = await start(handler, idle_s=0.1)
    client = await connect(server)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    client.get("/")
    client.get("/")
    await until(lambda: server.connections == 1)
    await until(lambda: server.connections == 0)


@pytest.mark.parametrize("framing", ["content-length: 100000", "transfer-encoding: chunked"])
@pytest.mark.parametrize(("token", "status"), [("known", 200), ("unknown", 413)])
async def test_a_large_body_is_taken_only_of_those_who_may_send_one(framing: str, token: str, status: int, connect: Connect) -> None:
    def body_limit(request: Request) -> int:
        return 200_000 if request.headers.get("authorization") == "known" else 0

    body = b"y" * 100_000
    async with await serve(echo, body_limit=body_limit) as server:
        client = await connect(server)
        client.send(f"POST / HTTP/1.1\r\nhost: a\r\nauthorization: {token}\r\n{framing}\r\n\r\n".encode())
        client.send(body if "length" in framing else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        answer = await client.answer("POST")
        assert answer.status == status
        assert answer.body == (body if status == 200 else b"")
        assert server.bodies.used_bytes == 0


async def test_a_small_body_is_taken_of_everybody(connect: Connect) -> None:
    async with await serve(echo, body_limit=lambda _: 0) as server:
        client = await connect(server)
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
        assert (await client.answer("POST")).body == b"hello"


async def test_bodies_of_all_connections_together_are_bounded(start: Start, connect: Connect) -> None:
    server = await start(held_bytes=100_000)
    first, second = await connect(server), await connect(server)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 70000\r\n\r\n"
    first.send(head + b"z" * 60_000)
    await until(lambda: server.bodies.used_bytes == 60_000)
    second.send(head + b"z" * 60_000)
    assert (await second.answer("POST")).status == 503
    first.send(b"z" * 10_000)
    assert (await first.answer("POST")).status == 200
    assert server.bodies.used_bytes == 0


async def test_a_body_that_never_ends_is_let_go_with_its_connection(connect: Connect) -> None:
    async with await serve(echo, limits=Limits()) as server:
        client = await connect(server)
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 70000\r\n\r\n" + b"z" * 60_000)
        await until(lambda: server.bodies.used_bytes == 60_000)
        await client.close()
        await until(lambda: server.bodies.used_bytes == 0)
