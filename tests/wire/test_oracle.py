"""The parser against h11: for any bytes, what we take for a request is what h11 takes for one.

We may be stricter (a refusal where h11 is lenient is fine), never the other way round: a request that one reads and the
other does not is how requests are smuggled past a proxy.
"""

import asyncio
import itertools
from dataclasses import dataclass

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.wire import Limits, Request, Response
from pilothouse.wire.connection import Connection
from pilothouse.wire.server import Server

TOKENS = [
    b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"/", b"/a?b=%20", b"*", b"http://h/p", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/1.1\n",
    b"Host: t\r\n", b"Host : t\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Content-Length: 03\r\n",
    b"content-length:\t3 \r\n",
    b"Content-Length: 3, 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: Chunked \r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"X: y\r\n", b"X:\r\n", b" folded\r\n",
    b"Expect: 100-continue\r\n", b"\r\n", b"\n", b"\r", b"\0", b"abc", b"3\r\nabc\r\n", b"3;e\r\nabc\r\n", b"0\r\n\r\n",
    b"0\r\nT: v\r\n\r\n",
    b"fffffffff\r\n", b"-1\r\n", b"\xff", b":", b" ", b"\t",
]  # fmt: skip
GOOD = [
    b"GET /1 HTTP/1.1\r\nHost: t\r\n\r\n",
    b"POST /2 HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc",
    b"PUT /3 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
    b"GET /4 HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\n\r\n",
    b"DELETE http://h/5 HTTP/1.1\r\nHost: t\r\n\r\n",
]


@dataclass(frozen=True)
class Seen:
    method: str
    target: str
    body: bytes


class FakeTransport(asyncio.Transport):
    """Takes what the connection writes; the client never closes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close
    pause_reading = resume_reading = lambda self: None

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


async def _ours(pieces: list[bytes]) -> list[Seen]:
    seen: list[Seen] = []

    async def handler(request: Request) -> Response:
        seen.append(Seen(request.method, request.target, request.body))
        return Response(200)

    server = Server(handler, Limits(), None)
    connection = Connection(server)
    transport = FakeTransport()
    connection.connection_made(transport)
    for piece in pieces:
        connection.data_received(piece)
        while server.tasks:
            await asyncio.sleep(0)
    connection.connection_lost(None)
    server._timer.cancel()
    return seen


def _theirs(data: bytes) -> list[Seen]:
    """What h11 reads, request after request, until it finds an error or the end."""
    seen: list[Seen] = []
    while data:
        # Two liberties that HTTP grants and h11 does not take: blank lines before a request, and HTTP/1.0 kept alive.
        found, data, goes_on = _first(data.lstrip(b"\r\n"))
        if found is not None:
            seen.append(found)
        if not goes_on:
            break
    return seen


def _first(data: bytes) -> tuple[Seen | None, bytes, bool]:
    """The first request, what follows it, and whether its connection is kept."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data) if data else None
    request: h11.Request | None = None
    body = b""
    try:
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                return None, b"", False
    except h11.RemoteProtocolError:
        return None, b"", False
    assert request is not None
    keeps = (b"connection", b"keep-alive") in request.headers and (b"connection", b"close") not in request.headers
    goes_on = parser.their_state is h11.DONE or keeps
    return Seen(request.method.decode(), request.target.decode("latin-1"), body), parser.trailing_data[0], goes_on


def _agree(ours: Seen, theirs: Seen) -> bool:
    same_target = ours.target == theirs.target or ("://" in theirs.target and theirs.target.endswith(ours.target))
    return (ours.method, ours.body) == (theirs.method, theirs.body) and same_target


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


message = st.one_of(st.sampled_from(GOOD), st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join), st.binary(max_size=20))
places = st.lists(st.integers(0, 500), max_size=6)


@settings(max_examples=250, deadline=None)
@given(st.lists(message, min_size=1, max_size=4).map(b"".join), places)
async def test_no_request_is_read_that_h11_does_not_read(data: bytes, cuts: list[int]) -> None:
    ours, theirs = await _ours(_cut(data, cuts)), _theirs(data)
    assert len(ours) <= len(theirs)
    assert all(_agree(mine, other) for mine, other in zip(ours, theirs, strict=False))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=5).map(b"".join), places)
async def test_well_formed_requests_are_all_read_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    ours, theirs = await _ours(_cut(data, cuts)), _theirs(data)
    assert len(ours) == len(theirs)
    assert all(_agree(mine, other) for mine, other in zip(ours, theirs, strict=True))


head = b"POST /x HTTP/1.1\r\nHost: t\r\n"


@settings(max_examples=250, deadline=None)
@given(st.lists(st.sampled_from(TOKENS[11:]), max_size=10).map(b"".join), st.sampled_from(GOOD), places)
async def test_headers_and_framing_are_never_read_more_leniently_than_by_h11(middle: bytes, after: bytes, cuts: list[int]) -> None:
    data = head + middle + after
    ours, theirs = await _ours(_cut(data, cuts)), _theirs(data)
    assert len(ours) <= len(theirs)
    assert all(_agree(mine, other) for mine, other in zip(ours, theirs, strict=False))
