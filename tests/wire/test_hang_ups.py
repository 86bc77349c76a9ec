"""Clients that leave before they are answered: nothing goes on for them."""

import asyncio
import socket
import ssl
import struct
from pathlib import Path

import pytest

from pilothouse.wire.messages import Request, Response
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context, server_context
from tests.wire.conftest import Start
from tests.wire.raw import RawClient


class Held:
    """A handler that answers nothing: whether it has begun, and whether it was cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.served: list[str] = []

    async def handle(self, request: Request) -> Response:
        self.served.append(request.path)
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("never")


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path)


async def over(port: int, tls: ssl.SSLContext | None) -> RawClient:
    return RawClient(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))


def reset(client: RawClient) -> None:
    """As a client that crashes: the other end is told at once, also without TLS."""
    if client.writer.get_extra_info("ssl_object") is None:
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "TLS"])
async def test_a_handler_ends_when_nobody_waits_for_its_answer(start: Start, authority: CertificateAuthority, is_secure: bool) -> None:
    held, own = Held(), authority.issue_server(["localhost"], ["127.0.0.1"])
    server = await start(held.handle, tls=server_context(own.certificate, own.key) if is_secure else None)
    client = await over(server.port, client_context(authority.certificate) if is_secure else None)
    client.get("/first")
    client.get("/second")
    await held.begun.wait()
    reset(client)
    async with asyncio.timeout(5):
        await held.cancelled.wait()
    assert held.served == ["/first"]


async def test_an_answer_that_streams_sees_its_own_end(start: Start) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def handle(request: Request) -> None:
        stream = request.stream()
        begun.set()
        await stream.closed()
        await asyncio.sleep(0)
        ended.set_result("in order")

    client = await over((await start(handle)).port, None)
    client.get()
    await begun.wait()
    reset(client)
    async with asyncio.timeout(5):
        assert await ended == "in order"
