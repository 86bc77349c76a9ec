"""What a hostile client tries, and the one answer it gets. Each case is a known way to confuse or exhaust an HTTP server."""

import asyncio

import pytest

from pilothouse.wire import Request, Response
from tests.wire.conftest import Connect, Start

HOST = b"Host: t\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"

MALFORMED = {
    "both lengths": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, the other way round": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "two equal lengths": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "list of lengths": POST + b"Content-Length: 4, 4\r\n\r\nabcd",
    "signed length": POST + b"Content-Length: +4\r\n\r\nabcd",
    "negative length": POST + b"Content-Length: -4\r\n\r\nabcd",
    "length in hexadecimal": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "empty length": POST + b"Content-Length:\r\n\r\nabcd",
    "length that overflows": POST + b"Content-Length: 18446744073709551620\r\n\r\nabcd",
    "space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "coding hidden by a tab": POST + b"Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "coding over coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with a prefix": POST + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n",
    "negative chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n-4\r\nabcd\r\n0\r\n\r\n",
    "chunk size that overflows": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000004\r\nabcd\r\n0\r\n\r\n",
    "chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "chunk size ended by a bare line feed": POST + b"Transfer-Encoding: chunked\r\n\r\n4\nabcd\r\n0\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: t\n\n",
    "bare carriage return": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
    "zero byte in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without a slash": b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    "foreign scheme": b"GET ftp://h/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "tunnel": b"CONNECT h:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "TLS on a plain port": bytes.fromhex("1603010200010001fc0303") + b"\0" * 50,
    "nonsense": b"\xff\xfe\xfd\r\n\r\n",
}


@pytest.mark.parametrize("attack", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_request_is_refused_and_nothing_behind_it_is_taken_for_a_request(
    start: Start, connect: Connect, attack: bytes
) -> None:
    seen: list[str] = []

    async def handler(request: Request) -> Response:
        seen.append(request.path)
        return Response(200)

    client = await connect(await start(handler, linger_s=0.05))
    client.send(attack + SMUGGLED)
    answer = await client.answer()
    assert 400 <= answer.status <= 505
    assert answer.headers["connection"] == "close"
    assert await client.ended() == b""
    assert seen == []


@pytest.mark.parametrize("attack", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_request_is_refused_byte_by_byte_too(start: Start, connect: Connect, attack: bytes) -> None:
    client = await connect(await start(linger_s=0.05))
    for byte in attack + SMUGGLED:
        client.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await client.answer()).status >= 400


async def test_requests_before_a_malformed_one_are_answered_first(start: Start, connect: Connect) -> None:
    client = await connect(await start(linger_s=0.05))
    client.get("/1")
    client.get("/2")
    client.send(b"nonsense\r\n\r\n")
    assert [(await client.answer()).status for _ in range(3)] == [200, 200, 400]


async def test_request_behind_one_that_closes_is_not_handled(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    client.get("/1", "Connection: close")
    client.get("/2")
    assert (await client.answer()).headers["connection"] == "close"
    assert await client.ended() == b""


@pytest.mark.parametrize(
    "piece", [b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 900, b"GET /" + b"a" * 900, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 150]
)
async def test_endless_head_is_refused_whichever_line_is_endless(start: Start, connect: Connect, piece: bytes) -> None:
    client = await connect(await start(head_bytes=1000, linger_s=0.05))
    client.send(piece)
    for _ in range(40):
        client.send(b"a" * 100)
        await asyncio.sleep(0)
    assert (await client.answer()).status in (414, 431)


async def test_head_just_within_the_limit_is_taken_even_behind_a_body(start: Start, connect: Connect) -> None:
    client = await connect(await start(head_bytes=1000))
    client.send(POST + b"Content-Length: 5000\r\n\r\n" + b"x" * 4000)
    await asyncio.sleep(0.01)
    client.send(b"x" * 1000 + b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 800)
    client.send(b"\r\n\r\n")
    assert [(await client.answer()).status, (await client.answer()).status] == [200, 200]


async def test_too_many_headers_are_refused(start: Start, connect: Connect) -> None:
    client = await connect(await start(header_count=20, linger_s=0.05))
    client.get("/", *[f"X-{number}: 1" for number in range(30)])
    assert (await client.answer()).status == 431


async def test_body_that_is_all_framing_is_refused(start: Start, connect: Connect) -> None:
    client = await connect(await start(head_bytes=1000, linger_s=0.05))
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        client.send(b"1;" + b"e" * 100 + b"\r\nx\r\n")
        await asyncio.sleep(0)
    assert (await client.answer()).status == 400


async def test_endless_trailer_is_refused(start: Start, connect: Connect) -> None:
    client = await connect(await start(head_bytes=1000, linger_s=0.05))
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    for _ in range(100):
        client.send(b"a" * 100)
        await asyncio.sleep(0)
    assert (await client.answer()).status == 400


async def test_slow_head_runs_out_of_time(start: Start, connect: Connect) -> None:
    client = await connect(await start(head_s=0.1, linger_s=0.05))
    client.send(b"GET / HTTP/1.1\r\n")
    drip = asyncio.ensure_future(_drip(client.send, b"X: a\r\n"))
    assert (await client.answer()).status == 408
    drip.cancel()


async def test_slow_body_runs_out_of_time(start: Start, connect: Connect) -> None:
    client = await connect(await start(body_s=0.1, linger_s=0.05))
    client.send(POST + b"Content-Length: 1000\r\n\r\n")
    drip = asyncio.ensure_future(_drip(client.send, b"x"))
    assert (await client.answer()).status == 408
    drip.cancel()


async def test_slow_second_head_runs_out_of_time_too(start: Start, connect: Connect) -> None:
    client = await connect(await start(head_s=0.1, linger_s=0.05))
    client.get("/")
    client.send(b"GET / HT")
    assert [(await client.answer()).status, (await client.answer()).status] == [200, 408]


async def test_silent_connection_is_closed(start: Start, connect: Connect) -> None:
    client = await connect(await start(head_s=0.05))
    assert await client.ended() == b""


async def test_idle_connection_is_closed_after_its_time(start: Start, connect: Connect) -> None:
    client = await connect(await start(idle_s=0.1))
    client.get("/")
    assert (await client.answer()).status == 200
    assert await client.ended() == b""


async def test_client_that_never_reads_its_answer_is_cut(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), b"x" * 20_000_000)

    server = await start(handler, idle_s=0.1)
    client = await connect(server)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.get("/")
    async with asyncio.timeout(5):
        while not server.connections:
            await asyncio.sleep(0.01)
        while server.connections:
            await asyncio.sleep(0.01)


async def test_client_that_reads_slowly_but_steadily_is_served_to_the_end(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), b"x" * 12_000_000)

    client = await connect(await start(handler, idle_s=0.1, linger_s=0.05))
    client.get("/", "Connection: close")
    size_bytes = 0
    while piece := await client.reader.read(1_000_000):
        size_bytes += len(piece)
        await asyncio.sleep(0.01)
    assert size_bytes > 12_000_000


async def test_flood_of_pipelined_requests_is_refused(start: Start, connect: Connect) -> None:
    release = asyncio.Event()

    async def handler(request: Request) -> Response:
        await release.wait()
        return Response(200)

    client = await connect(await start(handler, pipelined=1, linger_s=0.05))
    client.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n" * 100)
    await asyncio.sleep(0.01)
    release.set()
    statuses = [(await client.answer()).status for _ in range(34)]
    assert statuses == [200] * 33 + [429]
    assert await client.ended() == b""


async def test_connections_over_the_limit_are_turned_away(start: Start, connect: Connect) -> None:
    server = await start(connections=1)
    first = await connect(server)
    first.get("/")
    assert (await first.answer()).status == 200
    second = await connect(server)
    second.get("/")
    with pytest.raises((ConnectionError, AssertionError)):
        assert await second.ended() != b""
    first.get("/")
    assert (await first.answer()).status == 200


async def _drip(send: object, piece: bytes) -> None:
    while True:
        send(piece)  # type: ignore[operator]
        await asyncio.sleep(0.02)
