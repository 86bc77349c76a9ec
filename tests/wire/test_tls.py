"""TLS with our own authority: who may connect, and what the handler learns of a client's certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse.wire import Request, Response, Server, serve
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


async def test_contexts_take_files_as_well_as_bytes(site: Site, tmp_path: Path) -> None:
    certificate, key = site.authority.issue_client("ann").write(tmp_path, "ann")
    (tmp_path / "ca.crt").write_bytes(site.authority.certificate)
    assert await site.ask(client_context(tmp_path / "ca.crt", str(certificate), key)) == b"ann in "


async def test_plain_request_on_a_tls_port_gets_no_answer_and_the_port_lives_on(site: Site) -> None:
    client = await RawClient.connect(site.server.port)
    client.get("/")
    with pytest.raises((ConnectionError, AssertionError)):
        assert b"200" in await client.ended()
    await client.close()
    assert await site.ask(client_context(site.authority.certificate)) == b"nobody"
