"""The registry on further nodes: who has a node's certificate reaches it, and nobody else does."""

import asyncio
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.platform.registry import entrance as entrance_module
from pilothouse.platform.registry import relay as relay_module
from pilothouse.platform.registry.relay import RegistryForNodes, RegistryOnNode
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context
from tests.engine.controllers.conftest import held

HERE, ENTRANCE = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("pki"))


@asynccontextmanager
async def registry() -> AsyncIterator[int]:
    """Its port. It answers each request with its method, target and body in capital letters, and ends the connection after /bye."""

    connected: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                said = b" ".join(head.split()[:2]) + b" " + body
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said.upper()))
                if head.split()[1] == b"/bye":
                    break
        writer.close()

    async with await asyncio.start_server(serve, HERE, 0, limit=1 << 24) as server:
        yield server.sockets[0].getsockname()[1]
    for writer in connected:
        await gone(writer)


async def gone(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def contexts(authority: CertificateAuthority, user: str, *groups: str) -> Callable[[], ssl.SSLContext]:
    pair = authority.issue_client(user, groups)
    return lambda: client_context(authority.certificate, pair.certificate, pair.key)


@asynccontextmanager
async def entrance(authority: CertificateAuthority, folder: Path, port: int, address: str = ENTRANCE) -> AsyncIterator[None]:
    """For nodes, to the registry on that port."""
    pair = authority.issue_server([], [ENTRANCE]).write(folder, "server")
    (folder / "ca.crt").write_bytes(authority.certificate)
    async with scope() as tasks:
        await tasks.start(RegistryForNodes([address], port, pair, folder / "ca.crt").run)
        yield
        tasks.cancel()


@pytest.fixture
async def port(authority: CertificateAuthority, tmp_path: Path) -> AsyncIterator[int]:
    """Of the registry, and of its entrance for nodes on another address."""

    @asynccontextmanager
    async def both() -> AsyncIterator[int]:
        async with registry() as port, entrance(authority, tmp_path, port):
            yield port

    async with held(both()) as port:
        yield port


def asking(method: str, target: str, body: bytes = b"") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: r\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


PULL = asking("GET", "/v2/apps/x/manifests/1")
PULLED = b"GET /V2/APPS/X/MANIFESTS/1 "


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer, or its status where that is not 200; nothing at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return b""
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    body = await reader.readexactly(int(length[1]))
    return body if head.startswith(b"HTTP/1.1 200 ") else head.split()[1]


async def exchange(port: int, context: Callable[[], ssl.SSLContext], *requests: bytes) -> list[bytes]:
    """What a program on the node is answered by `127.0.0.3:PORT`, which stands for its loopback."""
    async with scope() as tasks:
        relay = RegistryOnNode(ENTRANCE, port, context, listens_on="127.0.0.3")
        await tasks.start(relay.run)
        reader, writer = await asyncio.open_connection("127.0.0.3", port, limit=1 << 24)
        answers = []
        for request in requests:
            writer.write(request)
            answers.append(await answer(reader))
        await gone(writer)
        tasks.cancel()
    return answers


async def test_a_node_reaches_the_registry_under_its_loopback_address(authority: CertificateAuthority, port: int) -> None:
    large, push = b"a" * 3_000_000, "/v2/apps/x/blobs/uploads/1?digest=sha256%3A1"
    node = contexts(authority, "system:node:n", "system:nodes")
    answers = await exchange(port, node, PULL, asking("PUT", push, large), asking("GET", "/bye"), PULL)
    assert answers == [PULLED, f"PUT {push} ".upper().encode() + large.upper(), b"GET /BYE ", b""]


@pytest.mark.parametrize("groups", [(), ("pilothouse:admins",), ("system:nodes:not",)])
async def test_who_is_no_node_is_answered_nothing(authority: CertificateAuthority, port: int, groups: tuple[str, ...]) -> None:
    assert await exchange(port, contexts(authority, "somebody", *groups), PULL) == [b""]


async def test_another_authoritys_node_is_answered_nothing(authority: CertificateAuthority, port: int, tmp_path: Path) -> None:
    other = CertificateAuthority.create(tmp_path / "other")
    pair = other.issue_client("system:node:n", ["system:nodes"])
    assert await exchange(port, lambda: client_context(authority.certificate, pair.certificate, pair.key), PULL) == [b""]


async def test_a_registry_that_is_away_ends_the_connection_and_later_ones_work(authority: CertificateAuthority, tmp_path: Path) -> None:
    node = contexts(authority, "system:node:n", "system:nodes")
    async with registry() as port:
        pass
    async with entrance(authority, tmp_path, port):
        assert await exchange(port, node, PULL) == [b""]
    async with registry() as other, entrance(authority, tmp_path, other):
        assert await exchange(other, node, PULL) == [PULLED]


async def test_what_a_node_may_not_ask_for_does_not_reach_the_registry(authority: CertificateAuthority, port: int) -> None:
    node = contexts(authority, "system:node:n", "system:nodes")
    delete, put = asking("DELETE", "/v2/apps/x/manifests/1"), asking("PUT", "/v2/bases/pilothouse.local/builder/manifests/2", b"{}")
    assert await exchange(port, node, PULL, delete, PULL) == [PULLED, b"403", b""]
    assert await exchange(port, node, put) == [b"403"]
    assert await exchange(port, node, b"\x16\x03\x01nonsense\r\n\r\n") == [b"403"]


async def test_one_nodes_connections_leave_room_for_those_of_others(
    authority: CertificateAuthority, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "MOST_OF_ONE", 1)
    one, other = (contexts(authority, f"system:node:{name}", "system:nodes") for name in ("a", "b"))
    async with entrance_of_its_own(authority, port) as address, connected(address, port, one) as (reader, writer):
        writer.write(PULL)
        assert await answer(reader) == PULLED
        async with connected(address, port, one) as (refused, asks):
            asks.write(PULL)
            assert await answer(refused) == b""
        async with connected(address, port, other) as (served, asks):
            asks.write(PULL)
            assert await answer(served) == PULLED


async def test_a_connection_on_which_nobody_says_anything_is_ended(
    authority: CertificateAuthority, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "IDLE_S", 0.05)
    async with connected(ENTRANCE, port, contexts(authority, "system:node:n", "system:nodes")) as (reader, _):
        async with asyncio.timeout(10):
            assert await reader.read() == b""


async def test_strangers_who_say_nothing_leave_room_for_nodes_of_other_addresses(
    authority: CertificateAuthority, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance_module, "HANDSHAKES_EACH", 1)
    node = contexts(authority, "system:node:n", "system:nodes")
    _, silent = await asyncio.open_connection(ENTRANCE, port)
    refused, late = await asyncio.open_connection(ENTRANCE, port)
    async with asyncio.timeout(5):
        assert await refused.read() == b""
    async with connected(ENTRANCE, port, node, "127.0.0.9") as (reader, writer):
        writer.write(PULL)
        assert await answer(reader) == PULLED
    for each in (silent, late):
        await gone(each)
    async with asyncio.timeout(10):
        while await pulled(port, node) != PULLED:
            await asyncio.sleep(0.02)


async def pulled(port: int, node: Callable[[], ssl.SSLContext]) -> bytes:
    try:
        async with connected(ENTRANCE, port, node) as (reader, writer):
            writer.write(PULL)
            return await answer(reader)
    except OSError:
        return b""


@asynccontextmanager
async def connected(
    address: str, port: int, context: Callable[[], ssl.SSLContext], source: str = HERE
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(address, port, ssl=context(), server_hostname=ENTRANCE, local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        await gone(writer)


@asynccontextmanager
async def entrance_of_its_own(authority: CertificateAuthority, port: int) -> AsyncIterator[str]:
    """Its address."""
    with tempfile.TemporaryDirectory() as folder:
        async with entrance(authority, Path(folder), port, "127.0.0.4"):
            yield "127.0.0.4"
