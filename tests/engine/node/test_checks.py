"""Single checks against real sockets on the loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.engine.node.checks import http, http_url, port_number, tcp
from pilothouse.engine.node.http_check import CheckFailed, get

CONTAINER = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}


@asynccontextmanager
async def server(*answers: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Answers one connection after another; yields its port and what it was asked."""
    asked: list[str] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {left.pop(0)}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], asked


async def test_a_check_asks_as_a_probe() -> None:
    async with server("204 No Content") as (port, asked):
        action = {"port": port, "path": "/ok?x=1", "httpHeaders": [{"name": "Host", "value": "my"}, {"name": "X-A", "value": "b"}]}
        await http(action, CONTAINER, "127.0.0.1")
    assert asked[0].startswith("GET /ok?x=1 HTTP/1.1\r\n")
    assert "Host: my\r\n" in asked[0]
    assert "X-A: b\r\n" in asked[0]
    assert "User-Agent: kube-probe/1.36\r\n" in asked[0]


async def test_an_error_status_fails_the_check() -> None:
    async with server("500 Oh") as (port, _):
        with pytest.raises(CheckFailed, match="HTTP probe failed with statuscode: 500"):
            await http({"port": port}, CONTAINER, "127.0.0.1")


async def test_a_redirect_is_followed_on_the_same_host_alone() -> None:
    async with server("302 Found\r\nLocation: /next", "200 OK") as (port, asked):
        assert (await get(f"http://127.0.0.1:{port}/", {})).status == 200
        assert "GET /next " in asked[1]
    async with server("302 Found\r\nLocation: http://example.com/") as (port, _):
        assert (await get(f"http://127.0.0.1:{port}/", {})).status == 302


async def test_nobody_listening_is_said_as_upstream_says_it() -> None:
    async with server() as (port, _):
        pass
    with pytest.raises(CheckFailed, match=f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'):
        await http({"port": port}, CONTAINER, "127.0.0.1")
    with pytest.raises(CheckFailed, match="connection refused"):
        await tcp("127.0.0.1", port)


async def test_what_is_not_http_fails_the_check() -> None:
    async with server("no number") as (port, _):
        with pytest.raises(CheckFailed):
            await get(f"http://127.0.0.1:{port}/", {})


def test_ports_are_found_by_name() -> None:
    assert port_number(CONTAINER, "web") == 8080
    assert http_url({"port": "web", "scheme": "HTTPS", "path": "x"}, CONTAINER, "10.0.0.1") == "https://10.0.0.1:8080/x"
    with pytest.raises(CheckFailed, match="couldn't find port: none"):
        port_number(CONTAINER, "none")
