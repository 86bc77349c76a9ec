"""The lean client against the project's own server over TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.rig.raw import Endpoint, Refused, connections, parse_head
from pilothouse.wire import Request, Response, serve
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context, server_context

JSON = (("content-type", "application/json"),)


async def answer(request: Request) -> Response | None:
    if request.path == "/echo":
        return Response(200, JSON, request.body)
    if request.path == "/missing":
        return Response(404, JSON, b'{"reason":"NotFound"}')
    stream = request.stream(200, JSON)
    for piece in (b'{"first":1}\n', b"[" + b"1," * 100_000 + b"1]\n"):
        stream.write(piece)
        await stream.drain()
    await stream.finish()
    return None


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Endpoint]:
    authority = CertificateAuthority.create(folder)
    certificate, key = authority.issue_server(["localhost"], ["127.0.0.1"]).write(folder, "server")
    async with await serve(answer, tls=server_context(certificate, key)) as server:
        yield Endpoint("127.0.0.1", server.port, client_context(folder / "ca.crt"))


async def test_requests_follow_one_another_on_a_connection(tmp_path: Path) -> None:
    async with listening(tmp_path) as endpoint, connections(endpoint, 1) as (connection,):
        bodies = [await connection.request("POST", "/echo", b"x" * size) for size in (1, 300_000, 0)]
    assert [len(body) for body in bodies] == [1, 300_000, 0]


async def test_a_chunked_answer_ends_with_its_last_chunk(tmp_path: Path) -> None:
    async with listening(tmp_path) as endpoint, connections(endpoint, 1) as (connection,):
        body = await connection.request("GET", "/stream")
        again = await connection.request("POST", "/echo", b"{}")
    assert b'{"first":1}' in body
    assert body.endswith(b"\r\n0\r\n\r\n")
    assert again == b"{}"


async def test_a_refusal_names_request_and_status(tmp_path: Path) -> None:
    async with listening(tmp_path) as endpoint, connections(endpoint, 1) as (connection,):
        with pytest.raises(Refused, match=r"GET /missing: 404 .*NotFound"):
            await connection.request("GET", "/missing")


async def test_a_watch_hands_on_what_arrives(tmp_path: Path) -> None:
    seen = bytearray()
    whole = asyncio.Event()

    def sink(data: bytes) -> None:
        seen.extend(data)
        if seen.endswith(b"0\r\n\r\n"):
            whole.set()

    async with listening(tmp_path) as endpoint, connections(endpoint, 1) as (connection,):
        await connection.watch("/stream", sink)
        async with asyncio.timeout(5):
            await whole.wait()
    assert seen.count(b"1,") == 100_000


def test_the_head_tells_status_and_length() -> None:
    assert parse_head(b"HTTP/1.1 201 Created\r\nContent-Type: x\r\nContent-Length: 17\r\n") == (201, 17)
    assert parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n") == (200, None)
    assert parse_head(b"HTTP/1.1 204 No Content\r\n") == (204, 0)
