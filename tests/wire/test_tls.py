"""TLS with our own authority: who may connect, and what the handler learns of a client's certificate."""

import asyncio
import gc
import shutil
import ssl
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse.wire import Request, Response, Server, serve
from pilothouse.wire.connection import Connection
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context, server_context
from tests.wire.raw import RawClient


@dataclass
class Site:
    server: Server
    authority: CertificateAuthority

    async def ask(self, context: ssl.SSLContext, name: str = "localhost") -> bytes:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, ssl=context, server_hostname=name)
            client = RawClient(reader, writer)
            client.get("/", "Connection: close")
            answer = await client.answer()
            await client.close()
            return answer.body


async def whoami(request: Request) -> Response:
    certificate = request.peer.certificate
    if certificate is None:
        return Response(200, (), b"nobody")
    return Response(200, (), f"{certificate.common_name} in {','.join(certificate.organizations)}".encode())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def site(authority: CertificateAuthority) -> AsyncIterator[Site]:
    pair = authority.issue_server(["localhost", "kubernetes.default.svc"], ["127.0.0.1", "::1"])
    async with await serve(whoami, tls=server_context(pair.certificate, pair.key, authority.certificate)) as server:
        yield Site(server, authority)


async def test_client_certificate_names_user_and_groups(site: Site) -> None:
    pair = site.authority.issue_client("kubernetes-admin", ["system:masters", "team"])
    body = await site.ask(client_context(site.authority.certificate, pair.certificate, pair.key))
    assert body == b"kubernetes-admin in system:masters,team"


async def test_client_without_a_certificate_is_served_as_nobody(site: Site) -> None:
    assert await site.ask(client_context(site.authority.certificate)) == b"nobody"


async def test_certificate_of_a_foreign_authority_is_refused(site: Site, tmp_path: Path) -> None:
    pair = CertificateAuthority.create(tmp_path).issue_client("kubernetes-admin", ["system:masters"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await site.ask(client_context(site.authority.certificate, pair.certificate, pair.key))


async def test_expired_client_certificate_is_refused(site: Site) -> None:
    pair = site.authority.issue_client("kubernetes-admin", days=0)
    assert await site.ask(client_context(site.authority.certificate)) == b"nobody"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await site.ask(client_context(site.authority.certificate, pair.certificate, pair.key))


async def test_server_certificate_does_not_pass_for_a_client(site: Site) -> None:
    pair = site.authority.issue_server(["localhost"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await site.ask(client_context(site.authority.certificate, pair.certificate, pair.key))


async def test_server_is_checked_by_authority_and_name(site: Site) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await site.ask(client_context())
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await site.ask(client_context(site.authority.certificate), name="elsewhere.example")
    assert await site.ask(client_context(site.authority.certificate), name="kubernetes.default.svc") == b"nobody"


async def test_client_that_prefers_http2_falls_back(site: Site) -> None:
    context = client_context(site.authority.certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert await site.ask(context) == b"nobody"


async def test_old_tls_is_refused(site: Site) -> None:
    context = client_context(site.authority.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await site.ask(context)


async def test_a_client_of_http2_alone_is_told_what_is_spoken(site: Site) -> None:
    context = client_context(site.authority.certificate)
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port, ssl=context, server_hostname="localhost")
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    answer = await RawClient(reader, writer).answer()
    assert (answer.status, answer.body) == (505, b"HTTP/2 is not spoken here: ask with HTTP/1.1\n")
    writer.transport.abort()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="Python's client cannot ask for it")
async def test_renegotiation_is_refused(site: Site) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.server.port}", "-tls1_2"]
    client = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    assert client.stdin is not None
    assert client.stdout is not None
    async with asyncio.timeout(10):
        await client.stdout.readuntil(b"Extended master secret")
        client.stdin.write(b"R\n")
        said = await client.stdout.read()
        await client.wait()
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said
    assert await site.ask(client_context(site.authority.certificate)) == b"nobody"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="Python's client cannot send such a record")
async def test_a_client_that_sends_records_without_content_again_and_again_is_cut_off(site: Site) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.server.port}", "-tls1_3"]
    client = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    assert client.stdin is not None
    assert client.stdout is not None
    async with asyncio.timeout(10):
        await client.stdout.readuntil(b"Verify return code")
        for _ in range(16):
            client.stdin.write(b"k\n")
            await client.stdout.readuntil(b"KEYUPDATE")
        client.stdin.write(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        await client.stdout.readuntil(b"nobody")
        for _ in range(17):
            client.stdin.write(b"k\n")
            await client.stdout.readuntil(b"KEYUPDATE")
        await client.stdout.read()
        await client.wait()


async def test_contexts_take_files_as_well_as_bytes(site: Site, tmp_path: Path) -> None:
    certificate, key = site.authority.issue_client("ann").write(tmp_path, "ann")
    (tmp_path / "ca.crt").write_bytes(site.authority.certificate)
    assert await site.ask(client_context(tmp_path / "ca.crt", str(certificate), key)) == b"ann in "


async def test_plain_request_on_a_tls_port_learns_what_is_wrong_and_the_port_lives_on(site: Site) -> None:
    client = await RawClient.connect(site.server.port)
    client.get("/")
    answer = await client.ended()
    assert answer.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert b"use https://" in answer
    await client.close()
    assert await site.ask(client_context(site.authority.certificate)) == b"nobody"


async def test_a_lost_connection_is_freed_without_a_collection(site: Site) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            await site.ask(client_context(site.authority.certificate))
        async with asyncio.timeout(5):
            while site.server.connections or _alive():
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


def _alive() -> int:
    return sum(isinstance(each, Connection) for each in gc.get_objects())
