"""What a client may expect of any HTTP server: each line of the table is a request and how it is answered."""

import asyncio
from dataclasses import dataclass

import pytest

from pilothouse.wire import Request, Response
from tests.wire.conftest import Connect, Start, echo

HOST = b"Host: t\r\n"


@dataclass(frozen=True)
class Case:
    """status, facts: of the answer to what is sent; facts are what `echo` says. goes_on: whether the next request is answered too."""

    sent: bytes
    status: int = 200
    facts: str = ""
    goes_on: bool = True


CASES = {
    "HTTP/1.0 without a Host": Case(b"GET /a HTTP/1.0\r\n\r\n", facts="GET|/a", goes_on=False),
    "HTTP/1.0 with keep-alive": Case(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", facts="GET|/a"),
    "HTTP/1.0 that expects": Case(b"POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", goes_on=False),
    "HTTP/1.1 that closes": Case(b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", goes_on=False),
    "HTTP/1.1 that closes among other words": Case(b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: TE, Close\r\n\r\n", goes_on=False),
    "HTTP/1.2": Case(b"GET /a HTTP/1.2\r\n" + HOST + b"\r\n", 400, goes_on=False),
    "HTTP/2.0 in plain text": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, goes_on=False),
    "blank lines before a request": Case(b"\r\n\r\nGET /a HTTP/1.1\r\n" + HOST + b"\r\n", facts="GET|/a"),
    "an absolute target": Case(b"GET http://other/a?b HTTP/1.1\r\n" + HOST + b"\r\n", facts="GET|/a?b"),
    "an asterisk": Case(b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", facts="GET|*"),
    "a fragment": Case(b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n", facts="GET|/a#b"),
    "a method in lower case": Case(b"get /a HTTP/1.1\r\n" + HOST + b"\r\n", facts="get|/a"),
    "a method that nobody knows": Case(b"FROB /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", facts="FROB|/a"),
    "a method of other protocols": Case(b"BREW /a HTTP/1.1\r\n" + HOST + b"\r\n", facts="BREW|/a"),
    "a method that is no word": Case(b"G(T /a HTTP/1.1\r\n" + HOST + b"\r\n", 400, goes_on=False),
    "a method that is too long": Case(b"X" * 33 + b" /a HTTP/1.1\r\n" + HOST + b"\r\n", 400, goes_on=False),
    "a method that begins as one that is known": Case(b"GETS /a HTTP/1.1\r\n" + HOST + b"\r\n", facts="GETS|/a"),
    "a tunnel": Case(b"CONNECT t:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400, goes_on=False),
    "a folded header": Case(b"GET /a HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400, goes_on=False),
    "equal lengths twice": Case(b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400, goes_on=False),
    "a length and chunks": Case(
        b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, goes_on=False
    ),
    "chunks with a trailer": Case(
        b"POST /a HTTP/1.1\r\n" + HOST + b"Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: v\r\n\r\n", facts="POST|/a"
    ),
    "a head of 60 KiB": Case(b"GET /a HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 60_000 + b"\r\n\r\n", facts="GET|/a"),
    "a head of 66 KiB": Case(b"GET /a HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 66_000 + b"\r\n\r\n", 431, goes_on=False),
    "a target of 66 KiB": Case(b"GET /" + b"a" * 66_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, goes_on=False),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_each_is_answered_as_it_should_be(start: Start, connect: Connect, case: Case) -> None:
    client = await connect(await start(echo, linger_s=0.05))
    client.send(case.sent)
    answer = await client.answer()
    assert answer.status == case.status
    assert answer.headers.get("x-facts", "").startswith(case.facts)
    assert (answer.headers.get("connection") != "close") is case.goes_on
    if case.goes_on:
        client.get("/next")
        assert "|/next|" in (await client.answer()).headers["x-facts"]
    else:
        assert await client.ended() == b""


async def test_of_requests_sent_ahead_none_is_answered_behind_one_that_closes(start: Start, connect: Connect) -> None:
    client = await connect(await start(linger_s=0.05))
    for number in range(3):
        client.get(f"/{number}", *(["Connection: close"] if number == 1 else []))
    assert "/0" in (await client.answer()).headers["x-facts"]
    assert "/1" in (await client.answer()).headers["x-facts"]
    assert await client.ended() == b""


async def test_a_method_that_nobody_knows_is_refused_behind_other_requests(start: Start, connect: Connect) -> None:
    client = await connect(await start(linger_s=0.05))
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\nFROB / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert [(await client.answer()).status for _ in range(2)] == [200, 400]


async def test_who_has_hung_up_is_not_waited_on_for_long(start: Start, connect: Connect) -> None:
    begun = asyncio.Event()

    async def handler(request: Request) -> Response:
        begun.set()
        await asyncio.sleep(60)
        return Response(200)

    server = await start(handler, linger_s=0.05)
    client = await connect(server)
    client.get("/")
    await begun.wait()
    client.half_close()
    assert await client.ended() == b""
    async with asyncio.timeout(5):
        while server.connections:
            await asyncio.sleep(0.01)
