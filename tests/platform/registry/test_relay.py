"""The registry on further nodes: who has a node's certificate reaches it, and nobody else does."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
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
    """Its port. It says each line back, in capital letters, and ends the connection after `bye`."""

    connected: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        while (line := await reader.readline()) not in (b"", b"bye\n"):
            writer.write(line.upper())
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
async def entrance(authority: CertificateAuthority, folder: Path, port: int) -> AsyncIterator[None]:
    """For nodes, to the registry on that port."""
    pair = authority.issue_server([], [ENTRANCE]).write(folder, "server")
    (folder / "ca.crt").write_bytes(authority.certificate)
    async with scope() as tasks:
        await tasks.start(RegistryForNodes([ENTRANCE], port, pair, folder / "ca.crt").run)
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


async def exchange(port: int, context: Callable[[], ssl.SSLContext], *lines: bytes) -> list[bytes]:
    """What a program on the node is answered by `127.0.0.3:PORT`, which stands for its loopback."""
    async with scope() as tasks:
        relay = RegistryOnNode(ENTRANCE, port, context, listens_on="127.0.0.3")
        await tasks.start(relay.run)
        reader, writer = await asyncio.open_connection("127.0.0.3", port, limit=1 << 24)
        answers = []
        for line in lines:
            writer.write(line)
            answers.append(await reader.readline())
        await gone(writer)
        tasks.cancel()
    return answers


async def test_a_node_reaches_the_registry_under_its_loopback_address(authority: CertificateAuthority, port: int) -> None:
    large = b"a" * 3_000_000 + b"\n"
    node = contexts(authority, "system:node:n", "system:nodes")
    assert await exchange(port, node, b"pull\n", large, b"bye\n") == [b"PULL\n", large.upper(), b""]


@pytest.mark.parametrize("groups", [(), ("pilothouse:admins",), ("system:nodes:not",)])
async def test_who_is_no_node_is_answered_nothing(authority: CertificateAuthority, port: int, groups: tuple[str, ...]) -> None:
    assert await exchange(port, contexts(authority, "somebody", *groups), b"pull\n") == [b""]


async def test_another_authoritys_node_is_answered_nothing(authority: CertificateAuthority, port: int, tmp_path: Path) -> None:
    other = CertificateAuthority.create(tmp_path / "other")
    pair = other.issue_client("system:node:n", ["system:nodes"])
    assert await exchange(port, lambda: client_context(authority.certificate, pair.certificate, pair.key), b"pull\n") == [b""]


async def test_a_registry_that_is_away_ends_the_connection_and_later_ones_work(authority: CertificateAuthority, tmp_path: Path) -> None:
    node = contexts(authority, "system:node:n", "system:nodes")
    async with registry() as port:
        pass
    async with entrance(authority, tmp_path, port):
        assert await exchange(port, node, b"pull\n") == [b""]
    async with registry() as other, entrance(authority, tmp_path, other):
        assert await exchange(other, node, b"pull\n") == [b"PULL\n"]
