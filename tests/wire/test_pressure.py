"""What a client can make the server hold: answers it does not read, bodies that nobody has asked it for."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from pilothouse.wire import Limits, Request, Response, serve
from pilothouse.wire.budget import Budget
from pilothouse.wire.limits import SLICE_BYTES
from pilothouse.wire.overload import IDLE, LET_GO
from tests.wire.conftest import Connect, Start, echo

PIECE = b"x" * 1_000_000


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("piece", "count"), [(PIECE, 30), (PIECE[: SLICE_BYTES // 2], 500)])
async def test_who_does_not_read_its_answers_gets_no_further_ones(start: Start, connect: Connect, piece: bytes, count: int) -> None:
    """Neither of answers that leave slice by slice, nor of those that are written at once."""
    handled = 0

    async def handler(request: Request) -> Response:
        nonlocal handled
        handled += 1
        return Response(200, (), piece)

    server = await start(handler)
    client = await connect(server)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(count):
        client.get("/")
    await until(lambda: any(each._writable is not None for each in server._connections))
    for _ in range(count):
        await asyncio.sleep(0)
    assert sum(each.buffered for each in server._connections) < 2 * len(PIECE)
    assert handled < count
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(count):
        assert (await client.answer()).body == piece


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
    server = await start(held_bytes=130_000, reserved_bytes=0)
    first, second = await connect(server), await connect(server)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 62000\r\n\r\n"
    first.send(head + b"z" * 60_000)
    await until(lambda: server.bodies.used_bytes == 60_000)
    second.send(head + b"z" * 60_000)
    assert (await second.answer("POST")).status == 503
    first.send(b"z" * 2_000)
    assert (await first.answer("POST")).status == 200
    await until(lambda: server.bodies.used_bytes == 0)


async def test_large_bodies_are_held_until_their_answer_and_keep_no_small_one_out(start: Start, connect: Connect) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request) -> Response:
        if len(request.body) > 1000:
            await go_on.wait()
        return Response(200, (), b"done")

    server = await start(handler, held_bytes=400_000, reserved_bytes=1000)
    large, other, small = [await connect(server) for _ in range(3)]
    head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
    large.send((head % 190_000).encode() + b"z" * 190_000)
    await until(lambda: any(each._answering for each in server._connections))
    other.send((head % 100_000).encode() + b"z" * 100_000)
    assert (await other.answer("POST")).status == 503
    small.send((head % 900).encode() + b"z" * 900)
    assert (await small.answer("POST")).status == 200
    go_on.set()
    assert (await large.answer("POST")).status == 200


async def test_of_a_flood_of_pipelined_requests_few_are_parsed(start: Start, connect: Connect) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request) -> Response:
        await go_on.wait()
        return Response(200, (), request.path.encode())

    server = await start(handler, pipelined=16)
    client = await connect(server)
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(5000)))
    await until(lambda: any(each._inflow.unparsed for each in server._connections))
    assert all(len(each._inflow.queue) < 200 for each in server._connections)
    go_on.set()
    for number in range(5000):
        assert (await client.answer()).body == b"/%d" % number


async def test_heads_on_their_way_are_bounded_over_all_connections(start: Start, connect: Connect) -> None:
    server = await start(held_bytes=100_000, reserved_bytes=0)
    first, second = await connect(server), await connect(server)
    first.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"z" * 40_000)
    await until(lambda: server.bodies.used_bytes > 40_000)
    second.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"z" * 40_000)
    assert (await second.answer()).status == 503
    first.send(b"\r\n\r\n")
    assert (await first.answer()).status == 200
    await until(lambda: server.bodies.used_bytes == 0)


async def test_requests_sent_ahead_are_bounded_over_all_connections(start: Start, connect: Connect) -> None:
    go_on = asyncio.Event()

    async def handler(request: Request) -> Response:
        await go_on.wait()
        return Response(200)

    server = await start(handler, held_bytes=200_000, reserved_bytes=0, linger_s=0.05)
    clients = [await connect(server) for _ in range(20)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 30)
    await until(lambda: sum(each._reading.deaf for each in server._connections) >= 15)
    assert server.bodies.used_bytes <= 100_000
    go_on.set()
    assert [(await clients[0].answer()).status for _ in range(30)] == [200] * 30
    assert [(await clients[-1].answer()).status for _ in range(2)] == [200, 429]
    await until(lambda: server.bodies.used_bytes == 0)


async def test_an_idle_connection_keeps_nothing_of_its_last_request(start: Start, connect: Connect) -> None:
    server = await start()
    client = await connect(server)
    client.get("/" + "a" * 10_000, "x: " + "z" * 10_000)
    assert (await client.answer()).status == 200
    await until(lambda: not server.tasks)
    (connection,) = server._connections
    intake = connection._reading.intake
    assert (intake._target, intake._pairs, intake._body, intake.request) == (b"", [], [], None)


async def test_many_that_send_large_bodies_at_once_are_all_read(start: Start, connect: Connect) -> None:
    server = await start()
    clients = [await connect(server) for _ in range(5)]
    for client in clients:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n" + b"z" * 3_000_000)
    for client in clients:
        assert len((await client.answer("POST")).body) == 3_000_000


async def test_a_body_that_never_ends_is_let_go_with_its_connection(connect: Connect) -> None:
    async with await serve(echo, limits=Limits()) as server:
        client = await connect(server)
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 70000\r\n\r\n" + b"z" * 60_000)
        await until(lambda: server.bodies.used_bytes == 60_000)
        await client.close()
        await until(lambda: server.bodies.used_bytes == 0)


async def test_others_are_answered_between_the_slices_of_a_long_answer(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), PIECE * 50 if request.path == "/long" else b"short")

    server = await start(handler)
    long, other = await connect(server), await connect(server)
    long.get("/long")
    await until(lambda: any(each.buffered for each in server._connections))
    assert max(each.buffered for each in server._connections) < 4 * SLICE_BYTES
    other.get("/short")
    assert (await other.answer()).body == b"short"
    assert (await long.answer()).body == PIECE * 50


async def test_of_too_many_idle_connections_the_oldest_is_closed(start: Start, connect: Connect) -> None:
    server = await start(idle=3)
    first = await connect(server)
    first.get("/")
    await first.answer()
    others = [await connect(server) for _ in range(3)]
    assert await first.reader.read() == b""
    for other in others:
        other.get("/")
        assert (await other.answer()).status == 200


async def test_a_connection_at_work_is_not_idle(start: Start, connect: Connect) -> None:
    go_on = asyncio.Event()

    async def handler(_: Request) -> Response:
        await go_on.wait()
        return Response(200, (), b"done")

    server = await start(handler, idle=1)
    working = await connect(server)
    working.get("/")
    await until(lambda: any(each._answering for each in server._connections))
    for _ in range(3):
        await connect(server)
    go_on.set()
    assert (await working.answer()).body == b"done"


def test_who_takes_all_of_a_budget_leaves_half_of_it_to_others() -> None:
    budget = Budget(100, reserve_bytes=20)
    assert budget.take("hog", 50)
    assert not budget.take("hog", 1)
    assert budget.take("hog", 10, is_small=True)
    assert not budget.take("hog", 1, is_small=True)
    assert budget.take("other", 40)
    assert not budget.take("third", 1)
    assert budget.take("third", 20, is_small=True)
    budget.give("hog", 60)
    budget.give("other", 40)
    budget.give("third", 20)
    assert (budget.used_bytes, budget._used_by) == (0, {})


async def test_an_operator_sees_what_is_let_go_and_the_log_stays_short(start: Start, connect: Connect) -> None:
    before = LET_GO.value(IDLE)
    server = await start(idle=2)
    with capture_logs() as said:
        for _ in range(10):
            await connect(server)
        await until(lambda: LET_GO.value(IDLE) == before + 8)
    assert [(each["log_level"], each["address"], each["limit"]) for each in said] == [("warning", "127.0.0.1", 2)]
