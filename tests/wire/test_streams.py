"""Answers sent piece by piece: framing, back-pressure, and how either side ends them."""

import asyncio
import time
from typing import cast

import pytest

from pilothouse.wire import Disconnected, Request, Response, Stream
from pilothouse.wire.stream import Flusher
from tests.wire.conftest import Connect, Start


async def test_pieces_of_one_turn_leave_as_one_chunk(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        stream = request.stream(200, [("content-type", "text/plain")])
        for piece in (b"one ", b"two ", b"", b"three"):
            stream.write(piece)
        await stream.finish()

    client = await connect(await start(handler))
    client.get("/")
    assert (await client.read_until(b"0\r\n\r\n")).endswith(b"\r\n\r\nd\r\none two three\r\n0\r\n\r\n")


async def test_connection_goes_on_after_a_stream(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        request.stream().write(request.path.encode())

    client = await connect(await start(handler))
    client.get("/1")
    client.get("/2")
    assert [(await client.answer()).body, (await client.answer()).body] == [b"/1", b"/2"]


async def test_old_client_gets_a_stream_that_ends_with_the_connection(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        request.stream().write(b"abc")

    client = await connect(await start(handler))
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    answer = await client.ended()
    assert b"chunked" not in answer
    assert answer.endswith(b"\r\n\r\nabc")


async def test_head_of_a_stream_has_no_body(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        request.stream().write(b"abc")

    client = await connect(await start(handler))
    client.get("/", method="HEAD")
    client.get("/")
    assert (await client.answer("HEAD")).body == b""
    assert (await client.answer()).body == b"abc"


async def test_a_stated_length_frames_the_body(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        stream = request.stream(200, (), 5)
        for piece in (b"one", b"two"):
            stream.write(piece)

    client = await connect(await start(handler))
    client.get("/", method="HEAD")
    client.get("/")
    client.get("/")
    silent = await client.answer("HEAD")
    assert (silent.headers["content-length"], silent.body) == ("5", b"")
    for _ in range(2):
        answer = await client.answer()
        assert (answer.headers["content-length"], answer.body, "transfer-encoding" in answer.headers) == ("5", b"onetw", False)


async def test_a_body_that_falls_short_of_its_length_is_cut(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        request.stream(200, (), 5).write(b"one")

    client = await connect(await start(handler))
    client.get("/")
    with pytest.raises(ConnectionError, match="ended within an answer"):
        await client.answer()


async def test_stream_without_a_body_by_its_status_is_not_chunked(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        request.stream(204).write(b"abc")

    client = await connect(await start(handler))
    client.get("/")
    client.get("/")
    assert [(await client.answer()).status, (await client.answer()).status] == [204, 204]


async def test_failure_in_the_middle_cuts_the_answer_short(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        stream = request.stream()
        stream.write(b"abc")
        await stream.drain()
        raise ZeroDivisionError

    client = await connect(await start(handler))
    client.get("/")
    with pytest.raises(ConnectionError):
        await client.answer()


async def test_slow_reader_shows_in_buffered_and_drain_waits_for_it(start: Start, connect: Connect) -> None:
    streams: asyncio.Queue[Stream] = asyncio.Queue()
    written = 0

    async def handler(request: Request) -> None:
        nonlocal written
        stream = request.stream()
        streams.put_nowait(stream)
        for _ in range(150):
            stream.write(b"x" * 100_000)
            written += 1
            await stream.drain()

    client = await connect(await start(handler))
    client.get("/")
    stream = await streams.get()
    while not stream.buffered:
        await asyncio.sleep(0)
    assert written < 150
    assert len((await client.answer()).body) == 15_000_000
    assert written == 150


@pytest.mark.parametrize("how", ["close", "half close", "reset"])
async def test_stream_learns_that_its_reader_has_gone(start: Start, connect: Connect, how: str) -> None:
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: Request) -> None:
        stream = request.stream()
        stream.write(b"hello")
        await stream.closed()
        stream.write(b"nobody hears this")
        try:
            await stream.drain()
        except Disconnected:
            outcome.set_result("disconnected")

    client = await connect(await start(handler))
    client.get("/")
    await client.read_until(b"hello\r\n")
    if how == "half close":
        client.half_close()
    elif how == "reset":
        client.writer.transport.abort()
    else:
        await client.close()
    async with asyncio.timeout(5):
        assert await outcome == "disconnected"


async def test_one_piece_to_many_streams_reaches_each(start: Start, connect: Connect) -> None:
    streams: list[Stream] = []

    async def handler(request: Request) -> None:
        streams.append(request.stream())
        await streams[-1].closed()

    server = await start(handler)
    clients = [await connect(server) for _ in range(30)]
    for client in clients:
        client.get("/")
        await client.read_until(b"\r\n\r\n")
    for stream in streams:
        stream.write(b"event")
    for client in clients:
        assert await client.read_until(b"event\r\n") == b"5\r\nevent\r\n"


async def test_request_is_answered_once(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response | None:
        request.stream().write(b"a")
        with pytest.raises(RuntimeError, match="answered already"):
            request.stream()
        return None

    client = await connect(await start(handler))
    client.get("/")
    assert (await client.answer()).body == b"a"


async def test_an_answer_that_fails_after_its_head_is_cut_short(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        request.stream().write(b"abc")
        return Response(500, [], b"too late")

    client = await connect(await start(handler))
    client.get("/")
    answer = await client.ended()
    assert not answer.endswith(b"0\r\n\r\n")


class SlowToFlush:
    """A stream that keeps the event loop busy for some milliseconds, and notes when that was."""

    def __init__(self, number: int, flushed: list[object]) -> None:
        self.number = number
        self.flushed = flushed

    def flush(self) -> None:
        end = time.monotonic() + 0.003
        while time.monotonic() < end:
            pass
        self.flushed.append(self.number)


async def test_many_streams_are_flushed_in_order_and_others_have_their_turn_meanwhile() -> None:
    loop, happened = asyncio.get_running_loop(), list[object]()
    flusher = Flusher(loop)
    for number in range(6):
        flusher.add(cast("Stream", SlowToFlush(number, happened)))
    loop.call_soon(happened.append, "somebody else")
    while len(happened) < 7:
        await asyncio.sleep(0)
    assert [each for each in happened if each != "somebody else"] == list(range(6))
    assert happened.index("somebody else") < 6


async def test_whoever_made_a_change_is_answered_before_its_many_watchers() -> None:
    loop, happened = asyncio.get_running_loop(), list[object]()
    flusher, committed = Flusher(loop), loop.create_future()

    async def answer() -> None:
        await asyncio.shield(committed)
        happened.append("the answer")

    answering = asyncio.create_task(answer())
    await asyncio.sleep(0)
    for number in range(20):
        flusher.add(cast("Stream", SlowToFlush(number, happened)))
    committed.set_result(None)
    while len(happened) < 21:
        await asyncio.sleep(0)
    await answering
    assert happened == ["the answer", *range(20)]


def test_a_piece_that_many_streams_send_is_framed_once() -> None:
    flusher = Flusher(cast("asyncio.AbstractEventLoop", None))
    piece = b"x" * 26
    assert flusher.chunk(piece) == b"1a\r\n" + piece + b"\r\n"
    assert flusher.chunk(piece) is flusher.chunk(piece)
    assert flusher.chunk(b"y") == b"1\r\ny\r\n"
