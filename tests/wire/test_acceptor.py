"""Handshakes do not crowd out requests, and who says nothing keeps nobody out."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pilothouse.wire import Server
from pilothouse.wire.acceptor import Acceptor
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context, server_context
from tests.wire.conftest import Start, echo
from tests.wire.raw import RawClient

Open = Callable[[Server], Awaitable[RawClient]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def tls(authority: CertificateAuthority) -> ssl.SSLContext:
    pair = authority.issue_server(["localhost"], ["127.0.0.1"])
    return server_context(pair.certificate, pair.key, authority.certificate)


@pytest.fixture
async def connect_tls(authority: CertificateAuthority) -> AsyncIterator[Open]:
    opened: list[RawClient] = []

    async def connect(server: Server) -> RawClient:
        context = client_context(authority.certificate)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context, server_hostname="localhost")
        opened.append(RawClient(reader, writer))
        return opened[-1]

    yield connect
    for client in opened:
        client.writer.transport.abort()


async def test_many_handshakes_at_once_are_all_served(start: Start, tls: ssl.SSLContext, connect_tls: Open) -> None:
    server = await start(echo, tls=tls, handshakes=2, handshake_every_s=0.001)
    for client in await asyncio.gather(*(connect_tls(server) for _ in range(20))):
        client.get("/")
        assert (await client.answer()).status == 200


async def test_handshakes_begin_at_their_pace(start: Start, tls: ssl.SSLContext, connect_tls: Open) -> None:
    server = await start(echo, tls=tls, handshake_every_s=0.02, handshake_burst=0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(connect_tls(server) for _ in range(6)))
    assert loop.time() - began >= 5 * 0.02 - 0.01


async def test_a_burst_of_handshakes_waits_for_no_pace(start: Start, tls: ssl.SSLContext, connect_tls: Open) -> None:
    server = await start(echo, tls=tls, handshake_every_s=60.0, handshake_burst=5)
    async with asyncio.timeout(10):
        await asyncio.gather(*(connect_tls(server) for _ in range(6)))


async def test_silent_connections_keep_nobody_out(start: Start, tls: ssl.SSLContext, connect_tls: Open) -> None:
    server = await start(echo, tls=tls, handshakes=1, silent=5)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(12)]
    client = await connect_tls(server)
    client.get("/")
    assert (await client.answer()).status == 200
    assert await silent[0][0].read() == b""
    for _, writer in silent:
        writer.transport.abort()


async def test_handshakes_that_stall_keep_out_nobody_at_another_address(start: Start, tls: ssl.SSLContext, connect_tls: Open) -> None:
    server = await start(echo, tls=tls, handshakes=4, handshakes_each=2)
    stalled = [await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0)) for _ in range(8)]
    for _, writer in stalled:
        writer.write(b"\x16")
    await until_under_way(server, server.limits.handshakes_each)
    async with asyncio.timeout(5):
        client = await connect_tls(server)
    client.get("/")
    assert (await client.answer()).status == 200
    for _, writer in stalled:
        writer.transport.abort()


async def test_who_says_nothing_is_let_go(start: Start, tls: ssl.SSLContext) -> None:
    server = await start(echo, tls=tls, head_s=0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_one_that_speaks_no_tls_is_let_go_and_the_next_is_served(start: Start, tls: ssl.SSLContext, connect_tls: Open) -> None:
    server = await start(echo, tls=tls, handshakes=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        await reader.read()
    client = await connect_tls(server)
    client.get("/")
    assert (await client.answer()).status == 200
    writer.close()
    assert isinstance(server._acceptor, Acceptor)
    assert server._acceptor._under_way.total() == 0


async def test_a_connection_that_cannot_be_accepted_is_not_asked_for_again_at_once(
    start: Start, tls: ssl.SSLContext, connect_tls: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.wire.acceptor._RETRY_S", 0.05)
    server = await start(echo, tls=tls)
    acceptor = server._acceptor
    assert isinstance(acceptor, Acceptor)
    listening, refusing = acceptor.sockets, NoDescriptors(acceptor.sockets[0].fileno())
    port = server.port
    monkeypatch.setattr(acceptor, "sockets", (refusing,))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        while not refusing.asked:
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    monkeypatch.setattr(acceptor, "sockets", listening)
    assert refusing.asked == 1
    client = await connect_tls(server)
    client.get("/")
    assert (await client.answer()).status == 200
    writer.transport.abort()


class NoDescriptors:
    """A listening socket of a process that may open no more files."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.asked = 0

    def fileno(self) -> int:
        return self._number

    def accept(self) -> None:
        self.asked += 1
        raise OSError(errno.EMFILE, "Too many open files")


async def test_handshakes_under_way_end_with_the_server(start: Start, tls: ssl.SSLContext) -> None:
    server = await start(echo, tls=tls)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16")
    await until_under_way(server, 1)
    await server.close(grace_s=0)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_a_handshake_that_takes_too_long_is_ended(start: Start, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.wire.acceptor.TLS_HANDSHAKE_S", 0.05)
    server = await start(echo, tls=tls, linger_s=0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def until_under_way(server: Server, count: int) -> None:
    assert isinstance(server._acceptor, Acceptor)
    async with asyncio.timeout(5):
        while server._acceptor._under_way.total() < count:
            await asyncio.sleep(0.01)
