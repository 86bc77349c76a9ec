"""TLS connections: the same promises as over TCP."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pilothouse.wire import Request, Response, Server
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.secure.channel import OPENED_AT_ONCE, Channel
from pilothouse.wire.secure.lingering import Lingering
from pilothouse.wire.secure.transport import HIGH_BYTES, Room, TlsTransport
from pilothouse.wire.stream import Stream
from pilothouse.wire.tls import client_context, server_context
from tests.wire.conftest import Start, echo
from tests.wire.raw import RawClient

Open = Callable[[Server], Awaitable[RawClient]]
HEAD = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def tls(authority: CertificateAuthority) -> ssl.SSLContext:
    pair = authority.issue_server(["localhost"], ["127.0.0.1"])
    return server_context(pair.certificate, pair.key, authority.certificate)


@pytest.fixture
async def connect(authority: CertificateAuthority) -> AsyncIterator[Open]:
    opened: list[RawClient] = []

    async def open_one(server: Server) -> RawClient:
        context = client_context(authority.certificate)
        opened.append(RawClient(*await asyncio.open_connection("127.0.0.1", server.port, ssl=context, server_hostname="localhost")))
        return opened[-1]

    yield open_one
    for client in opened:
        client.writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def transports(server: Server) -> list[TlsTransport]:
    found = [each._transport for each in server._connections]
    assert all(isinstance(each, TlsTransport) for each in found)
    return [each for each in found if isinstance(each, TlsTransport)]


async def test_large_bodies_pass_whole_in_both_directions(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    client = await connect(await start(echo, tls=tls))
    body = b"0123456789abcdef" * 190_000
    for _ in range(2):
        client.send(HEAD % len(body) + body)
        assert (await client.answer("POST")).body == body


async def test_pipelined_requests_are_answered_in_order(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), request.path.encode())

    client = await connect(await start(handler, tls=tls))
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(3000)))
    for number in range(3000):
        assert (await client.answer()).body == b"/%d" % number


async def test_a_client_that_ends_its_side_is_answered(start: Start, tls: ssl.SSLContext, authority: CertificateAuthority) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return Response(200, (), b"late")

    server = await start(handler, tls=tls)

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            client, arriving, leaving = _handshaken(sock, client_context(authority.certificate))
            client.write(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            with pytest.raises(ssl.SSLWantReadError):
                client.unwrap()
            sock.sendall(leaving.read())
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(1 << 16):
                arriving.write(piece)
            return client.read(1 << 16)

    assert (await asyncio.to_thread(ask)).endswith(b"\r\n\r\nlate")


def _handshaken(sock: socket.socket, context: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(arriving, leaving, server_hostname="localhost")
    while True:
        try:
            client.do_handshake()
            return client, arriving, leaving
        except ssl.SSLWantReadError:
            sock.sendall(leaving.read())
            arriving.write(sock.recv(1 << 16))


async def test_what_slow_readers_have_not_taken_is_kept_once_for_all_of_them(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    streams: list[Stream] = []

    async def handler(request: Request) -> None:
        streams.append(request.stream())
        await streams[-1].closed()

    server = await start(handler, tls=tls)
    clients = [await connect(server) for _ in range(2)]
    for client in clients:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.get("/")
    await until(lambda: len(streams) == 2)
    piece = b"z" * 12_000_000
    for stream in streams:
        stream.write(piece)
    await until(lambda: all(each.get_write_buffer_size() > HIGH_BYTES for each in transports(server)))
    kept = [each for transport in transports(server) for each in transport._unsent or ()]
    assert len({id(each.obj) for each in kept if isinstance(each, memoryview)}) == 1
    for client in clients:
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(len(piece) + 10) == b"%x\r\n%b\r\n" % (len(piece), piece)


async def test_many_small_pieces_reach_a_slow_reader_in_their_order(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    async def handler(request: Request) -> None:
        stream = request.stream()
        for number in range(40_000):
            stream.write(b"%0100d\n" % number)
            stream.flush()
            if number % 1000 == 0:
                await asyncio.sleep(0)
        await stream.finish()

    client = await connect(await start(handler, tls=tls))
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    client.get("/")
    await asyncio.sleep(0.05)
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert (await client.answer()).body == b"".join(b"%0100d\n" % number for number in range(40_000))


async def test_client_still_sending_a_huge_body_gets_to_read_the_refusal(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    server = await start(echo, tls=tls, body_bytes=1000)
    client = await connect(server)
    client.send(HEAD % 8_000_000 + b"x" * 8_000_000)
    assert (await client.answer("POST")).status == 413


async def test_a_client_that_vanishes_leaves_nothing_behind(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    server = await start(echo, tls=tls)
    clients = [await connect(server) for _ in range(3)]
    await until(lambda: server.connections == 3)
    clients[0].send(HEAD % 1000)
    for client in clients:
        client.writer.transport.abort()
    await until(lambda: server.connections == 0)


async def test_while_reading_pauses_nothing_is_read(start: Start, tls: ssl.SSLContext, connect: Open) -> None:
    server = await start(echo, tls=tls)
    client = await connect(server)
    client.get("/")
    await client.answer()
    (transport,) = transports(server)
    transport.pause_reading()
    client.get("/paused")
    await asyncio.sleep(0.02)
    assert len(server.tasks) == 0
    transport.resume_reading()
    assert (await client.answer()).status == 200


async def test_who_does_not_close_is_let_go_and_so_is_the_oldest_of_too_many() -> None:
    lingering = Lingering(linger_s=0.05, limit=2)
    pairs = [socket.socketpair() for _ in range(3)]
    for ours, theirs in pairs:
        ours.setblocking(False)
        theirs.send(b"still sending")
        lingering.add(ours)
    assert len(lingering) == 2
    assert pairs[0][0].fileno() == -1
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while lingering:
            lingering.sweep(loop.time())
            await asyncio.sleep(0.01)
    for _, theirs in pairs:
        theirs.close()


class Asking(Channel):
    """What the peer sends asks for an answer that only OpenSSL gives, as an update of keys does."""

    def open(self, received: memoryview | bytes, room: memoryview) -> tuple[bytes, int]:
        return b"x", 1

    def leaving(self) -> bytes:
        return b"k" * 1000


async def test_a_peer_that_asks_for_answers_and_takes_none_is_lost(tls: ssl.SSLContext) -> None:
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    lost = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            lost.set()

    transport, most = TlsTransport(ours, Asking(tls), None, Room(), lambda sock: sock.close()), 0
    transport.start(Protocol())
    async with asyncio.timeout(5):
        while not lost.is_set():
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                theirs.send(b"k")
            await asyncio.sleep(0)
            most = max(most, transport.get_write_buffer_size())
    assert most < 2 * HIGH_BYTES
    theirs.close()


class Records:
    """A client whose every byte is a record of its own, encrypted before it is sent."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.sock = sock

    async def shake_hands(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await loop.sock_sendall(self.sock, self._outgoing.read())
                self._incoming.write(await loop.sock_recv(self.sock, 65536))
        await loop.sock_sendall(self.sock, self._outgoing.read())

    def encrypted(self, data: bytes) -> bytes:
        for byte in data:
            self._tls.write(bytes([byte]))
        return self._outgoing.read()

    async def read(self) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return self._tls.read()
            except ssl.SSLWantReadError:
                self._incoming.write(await loop.sock_recv(self.sock, 65536))


OpenRecords = Callable[[Server], Awaitable[Records]]


@pytest.fixture
async def record_by_record(authority: CertificateAuthority) -> AsyncIterator[OpenRecords]:
    socks: list[socket.socket] = []

    async def open_one(server: Server) -> Records:
        sock = socket.socket()
        socks.append(sock)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        client = Records(client_context(authority.certificate), sock)
        await client.shake_hands()
        return client

    yield open_one
    for sock in socks:
        sock.close()


async def test_small_records_of_several_arrive_whole_and_in_order(start: Start, tls: ssl.SSLContext, record_by_record: OpenRecords) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), request.path.encode())

    server = await start(handler, tls=tls)
    clients = [await record_by_record(server) for _ in range(3)]
    loop = asyncio.get_running_loop()
    wanted = [b"".join(b"/%d-%d" % (number, each) for each in range(60)) for number in range(3)]
    for number, client in enumerate(clients):
        sent = b"".join(b"GET /%d-%d HTTP/1.1\r\nhost: a\r\n\r\n" % (number, each) for each in range(60))
        await loop.sock_sendall(client.sock, client.encrypted(sent))
    for client, expected in zip(clients, wanted, strict=True):
        got = b""
        async with asyncio.timeout(10):
            while got.count(b"HTTP/1.1 200") < 60 or not got.endswith(expected[-5:]):
                got += await client.read()
        assert b"".join(part.partition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200")[1:]) == expected


async def test_no_turn_of_the_loop_opens_more_than_some_small_records(
    start: Start, tls: ssl.SSLContext, record_by_record: OpenRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many connections bring them, one goes on in each turn; what the kernel brings anew is a few for each."""
    opened: list[int] = []
    whole = Channel.open

    def counted(channel: Channel, received: memoryview | bytes, room: memoryview) -> tuple[bytes, int]:
        plain, count = whole(channel, received, room)
        opened.append(count)
        return plain, count

    monkeypatch.setattr(Channel, "open", counted)
    server = await start(echo, tls=tls)
    clients = [await record_by_record(server) for _ in range(10)]
    loop = asyncio.get_running_loop()
    body = HEAD % 600 + b"x" * 600
    for client in clients:
        await loop.sock_sendall(client.sock, client.encrypted(body))
    turns: list[int] = []
    async with asyncio.timeout(10):
        while sum(opened) + sum(turns) < len(body) * len(clients):
            await asyncio.sleep(0)
            turns.append(sum(opened))
            opened.clear()
    assert max(turns[1:]) <= OPENED_AT_ONCE * (len(clients) + 1)
    assert sum(turns) >= len(body) * len(clients)


async def test_a_client_that_is_not_read_keeps_its_small_records(start: Start, tls: ssl.SSLContext, record_by_record: OpenRecords) -> None:
    server = await start(echo, tls=tls)
    client = await record_by_record(server)
    await until(lambda: server.connections == 1)
    (transport,) = transports(server)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client.sock, client.encrypted(HEAD % 300 + b"x" * 300))
    async with asyncio.timeout(5):
        while not transport._channel.has_more:
            await asyncio.sleep(0)
    transport.pause_reading()
    for _ in range(20):
        await asyncio.sleep(0)
    assert transport._channel.has_more
    assert len(server.tasks) == 0
    transport.resume_reading()
    async with asyncio.timeout(5):
        got = b""
        while not got.endswith(b"x" * 300):
            got += await client.read()
