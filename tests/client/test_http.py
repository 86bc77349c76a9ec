"""The HTTP transports against a server that is not ours: the contract, failures in one sentence, TLS, retries, sockets."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from pilothouse.client import credentials
from pilothouse.client.direct import DirectTransport
from pilothouse.client.failures import ConnectionLost
from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import ExecPlugin, Kubeconfig, KubeconfigError
from pilothouse.client.transport import Call, Transport
from pilothouse.model.errors import (
    AlreadyExists,
    ApiError,
    Expired,
    NotFound,
    Timeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from pilothouse.model.json import dumps
from tests.client.fake_cluster import FakeCluster
from tests.client.http_server import Handler, HttpServer, echo, serve
from tests.contracts.transport import CONFIGMAPS, TransportContract, watch_call


@pytest.fixture
async def server(cluster: FakeCluster) -> AsyncIterator[HttpServer]:
    async with serve(cluster) as started:
        yield started


Way = type[HttpTransport] | type[DirectTransport]
Refused = Callable[[Kubeconfig], Awaitable[ApiError]]


@pytest.fixture(params=[HttpTransport, DirectTransport])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
async def transport(server: HttpServer, way: Way) -> AsyncIterator[Transport]:
    made = way(Kubeconfig(f"http://127.0.0.1:{server.port}", source="F", token="secret"))
    yield made
    await made.close()


class TestHttpTransport(TransportContract):
    pass


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


@pytest.fixture
def refused(way: Way) -> Refused:
    async def ask(config: Kubeconfig) -> ApiError:
        transport = way(config)
        try:
            with pytest.raises(ApiError) as caught:
                await transport.call(Call("GET", "/version", timeout_s=5))
            return caught.value
        finally:
            await transport.close()

    return ask


async def test_a_server_that_is_not_there_is_one_sentence(refused: Refused) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    error = await refused(Kubeconfig(url))
    assert isinstance(error, Unavailable)
    assert error.message == f"the API server at {url} cannot be reached: connection refused; is it running?"


async def test_a_host_that_does_not_exist_is_one_sentence(refused: Refused) -> None:
    error = await refused(Kubeconfig("http://no-such-host.invalid:1"))
    assert isinstance(error, Unavailable)
    assert error.message.startswith("the API server at http://no-such-host.invalid:1 cannot be reached: ")


async def test_a_server_that_is_silent_is_given_up_at_the_deadline(server: HttpServer, transport: Transport) -> None:
    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server.overrides["/version"] = silent
    with pytest.raises(Timeout, match=r"no answer from http:.* in 0.1 s"):
        await transport.call(Call("GET", "/version", timeout_s=0.1))


async def test_an_answer_that_is_no_status_becomes_the_error_of_its_code(server: HttpServer, transport: Transport) -> None:
    async def teapot(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=502, text="<html>\nbad   gateway</html>")

    server.overrides["/version"] = teapot
    with pytest.raises(Unavailable) as caught:
        await transport.call(Call("GET", "/version"))
    assert caught.value.code == 502
    assert caught.value.message == "GET /version: HTTP 502: <html> bad gateway</html>"


@pytest.mark.parametrize(("method", "code", "kind"), [("GET", 404, NotFound), ("POST", 409, AlreadyExists), ("GET", 418, ApiError)])
async def test_every_code_has_its_error(server: HttpServer, transport: Transport, method: str, code: int, kind: type[ApiError]) -> None:
    async def bare(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code)

    server.overrides["/x"] = bare
    with pytest.raises(kind) as caught:
        await transport.call(Call(method, "/x"))
    assert caught.value.code == code


async def test_a_text_answer_is_text(server: HttpServer, transport: Transport) -> None:
    async def ready(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    server.overrides["/readyz"] = ready
    assert await transport.call(Call("GET", "/readyz")) == "ok"


def broken_at_first(times: int) -> tuple[list[str], Handler]:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.method)
        if len(seen) <= times:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=b"{}", content_type="application/json")

    return seen, handler


async def test_a_get_whose_connection_broke_is_tried_again(server: HttpServer, transport: Transport) -> None:
    seen, server.overrides["/x"] = broken_at_first(2)
    assert await transport.call(Call("GET", "/x")) == {}
    assert len(seen) == 3


async def test_a_post_whose_connection_broke_is_not_tried_again(server: HttpServer, transport: Transport) -> None:
    seen, server.overrides["/x"] = broken_at_first(1)
    with pytest.raises(ConnectionLost, match=r"the connection to .* was lost"):
        await transport.call(Call("POST", "/x", body={}))
    assert len(seen) == 1


def throttled(times: int, after: str) -> tuple[list[str], Handler]:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.method)
        if len(seen) <= times:
            return web.Response(status=429, headers={"Retry-After": after})
        return web.Response(body=b"{}", content_type="application/json")

    return seen, handler


async def test_one_request_too_many_waits_and_tries_again(server: HttpServer, transport: Transport) -> None:
    seen, server.overrides["/x"] = throttled(2, "0")
    assert await transport.call(Call("POST", "/x", body={})) == {}
    assert len(seen) == 3


async def test_a_wait_longer_than_the_deadline_is_not_begun(server: HttpServer, transport: Transport) -> None:
    seen, server.overrides["/x"] = throttled(99, "60")
    with pytest.raises(TooManyRequests) as caught:
        await transport.call(Call("GET", "/x"))
    assert caught.value.retry_after_s == 60
    assert len(seen) == 1


async def test_every_request_carries_the_token_and_says_who_asks(server: HttpServer, transport: Transport) -> None:
    await transport.call(Call("GET", CONFIGMAPS))
    headers = server.requests[-1].headers
    assert headers["Authorization"] == "Bearer secret"
    assert headers["User-Agent"].startswith("pilothouse/")


async def test_a_token_file_is_read_again_when_the_server_refuses_the_token(server: HttpServer, tmp_path: Path, way: Way) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    async def new_only(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer new":
            token.write_text("new\n")
            raise Unauthorized("Unauthorized")
        return web.Response(body=b"{}", content_type="application/json")

    server.overrides["/x"] = new_only
    transport = way(Kubeconfig(f"http://127.0.0.1:{server.port}", token_file=token))
    assert await transport.call(Call("GET", "/x")) == {}
    await transport.close()


async def test_an_exec_plugin_gives_the_token(server: HttpServer, tmp_path: Path, way: Way) -> None:
    answer = dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "made"}}).decode()
    plugin = ExecPlugin("sh", ("-c", f"echo '{answer}'"))
    transport = way(Kubeconfig(f"http://127.0.0.1:{server.port}", exec=plugin))
    await transport.call(Call("GET", CONFIGMAPS))
    await transport.close()
    assert server.requests[-1].headers["Authorization"] == "Bearer made"


async def test_a_plugin_that_fails_later_is_a_refusal_and_no_wrong_kubeconfig(server: HttpServer, tmp_path: Path, way: Way) -> None:
    expired = {"token": "made", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    answer = dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": expired}).decode()
    plugin = ExecPlugin("sh", ("-c", f"[ -e {tmp_path}/used ] && exit 1; touch {tmp_path}/used; echo '{answer}'"))
    transport = way(Kubeconfig(f"http://127.0.0.1:{server.port}", source="F", exec=plugin))
    await transport.call(Call("GET", CONFIGMAPS))
    with pytest.raises(Unauthorized, match="F: exec plugin 'sh' failed with exit code 1"):
        await transport.call(Call("GET", CONFIGMAPS))
    await transport.close()


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        (ExecPlugin("sh", ("-c", "echo no luck >&2; exit 3")), "F: exec plugin 'sh' failed with exit code 3: no luck"),
        (ExecPlugin("sh", ("-c", "echo hello")), "F: exec plugin 'sh' did not print an ExecCredential"),
        (ExecPlugin("no-such-plugin"), "F: exec plugin 'no-such-plugin' cannot be run. Install it or put it on PATH."),
    ],
)
async def test_a_plugin_that_fails_is_one_sentence(plugin: ExecPlugin, complaint: str, way: Way) -> None:
    transport = way(Kubeconfig("http://127.0.0.1:1", source="F", exec=plugin))
    with pytest.raises(KubeconfigError) as caught:
        await transport.call(Call("GET", "/version"))
    assert str(caught.value) == complaint


async def test_a_watch_whose_connection_breaks_says_so(cluster: FakeCluster, transport: Transport) -> None:
    async with transport.watch(watch_call("")) as events:
        cluster.break_watches()
        with pytest.raises(ConnectionLost):
            await anext(events)


async def test_a_watch_from_a_compacted_revision_says_so(cluster: FakeCluster, transport: Transport) -> None:
    cluster.revision = 10
    cluster.compact()
    with pytest.raises(Expired):
        async with transport.watch(watch_call("5")) as events:
            await anext(events)


async def test_bookmarks_are_passed_on(cluster: FakeCluster, transport: Transport) -> None:
    async with transport.watch(watch_call("")) as events:
        cluster.bookmark()
        event = await anext(events)
    assert (event.type, event.object["metadata"]["resourceVersion"]) == ("BOOKMARK", str(cluster.revision))


async def test_leaving_a_watch_closes_its_connection(server: HttpServer, transport: Transport) -> None:
    async with transport.watch(watch_call("")):
        pass
    async with asyncio.timeout(5):
        while server.requests[-1].transport is not None and not server.requests[-1].transport.is_closing():
            await asyncio.sleep(0.005)


async def test_a_stream_gives_bytes_as_they_arrive(server: HttpServer, transport: Transport) -> None:
    go = asyncio.Event()

    async def two_parts(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        await go.wait()
        await response.write(b"two")
        return response

    server.overrides["/log"] = two_parts
    async with transport.stream(Call("GET", "/log")) as chunks:
        assert await anext(chunks) == b"one"
        go.set()
        assert b"".join([chunk async for chunk in chunks]) == b"two"


async def test_a_session_sends_and_receives_messages_of_any_size(server: HttpServer, transport: Transport) -> None:
    server.overrides["/exec"] = echo
    async with transport.connect(Call("GET", "/exec"), ("v5.channel.k8s.io", "v4.channel.k8s.io")) as opened:
        assert opened.subprotocol == "v5.channel.k8s.io"
        for message in (b"\x00hello", b"x" * 5_000_000):
            await opened.send(message)
            assert await opened.receive() == message
        await opened.send(b"")
        assert await opened.receive() is None


async def test_a_refused_session_says_why(server: HttpServer, transport: Transport) -> None:
    async def no_container(request: web.BaseRequest) -> web.StreamResponse:
        raise NotFound('container "x" not found')

    server.overrides["/exec"] = no_container
    with pytest.raises(NotFound, match='container "x" not found'):
        async with transport.connect(Call("GET", "/exec"), ("v5.channel.k8s.io",)):
            pytest.fail("entered")


async def test_a_server_without_websockets_is_told_so(server: HttpServer, transport: Transport) -> None:
    async def plain(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    server.overrides["/exec"] = plain
    with pytest.raises(ApiError, match="does not speak WebSocket here"):
        async with transport.connect(Call("GET", "/exec"), ("v5.channel.k8s.io",)):
            pytest.fail("entered")


class Certificates:
    """A CA, a server certificate for `localhost` only, and a client's."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.ca_pem = self.ca.cert_pem.bytes()
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert("localhost").configure_cert(self.server)
        self.ca.configure_trust(self.server)
        self.server.verify_mode = ssl.CERT_OPTIONAL
        client = self.ca.issue_cert("somebody@example")
        self.client_key = client.private_key_pem.bytes()
        self.client_certificate = b"".join(blob.bytes() for blob in client.cert_chain_pems)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
async def tls_server(cluster: FakeCluster, certificates: Certificates) -> AsyncIterator[HttpServer]:
    async with serve(cluster, certificates.server) as started:
        yield started


async def test_tls_with_the_right_ca_and_a_client_certificate(tls_server: HttpServer, certificates: Certificates, way: Way) -> None:
    transport = way(
        Kubeconfig(
            f"https://localhost:{tls_server.port}",
            certificate_authority=certificates.ca_pem,
            client_certificate=certificates.client_certificate,
            client_key=certificates.client_key,
        )
    )
    await transport.call(Call("GET", CONFIGMAPS))
    await transport.close()
    assert tls_server.requests


async def test_tls_server_name_is_what_a_certificate_must_have(tls_server: HttpServer, certificates: Certificates, way: Way) -> None:
    config = Kubeconfig(f"https://127.0.0.1:{tls_server.port}", certificate_authority=certificates.ca_pem, tls_server_name="localhost")
    transport = way(config)
    await transport.call(Call("GET", CONFIGMAPS))
    await transport.close()


async def test_a_certificate_of_an_unknown_ca_is_one_sentence(tls_server: HttpServer, refused: Refused) -> None:
    error = await refused(
        Kubeconfig(f"https://localhost:{tls_server.port}", source="F", certificate_authority=trustme.CA().cert_pem.bytes())
    )
    assert isinstance(error, Unavailable)
    assert "is not trusted" in error.message
    assert error.message.endswith("check certificate-authority and server in F")


async def test_an_insecure_kubeconfig_trusts_any_certificate(tls_server: HttpServer, way: Way) -> None:
    transport = way(Kubeconfig(f"https://127.0.0.1:{tls_server.port}", insecure=True))
    await transport.call(Call("GET", CONFIGMAPS))
    await transport.close()


async def test_a_server_that_speaks_no_tls_is_one_sentence(server: HttpServer, refused: Refused) -> None:
    error = await refused(Kubeconfig(f"https://127.0.0.1:{server.port}", source="F", insecure=True))
    assert isinstance(error, Unavailable)
    assert error.message.startswith(f"no TLS connection to https://127.0.0.1:{server.port}: ")


async def test_a_key_that_does_not_fit_its_certificate_is_one_sentence(certificates: Certificates, way: Way) -> None:
    other = Certificates()
    config = Kubeconfig("https://x", source="F", client_certificate=certificates.client_certificate, client_key=other.client_key)
    with pytest.raises(KubeconfigError, match="F: client-certificate and client-key are not a PEM pair"):
        await way(config).call(Call("GET", "/version"))


async def test_a_renewed_client_certificate_is_taken_up(
    way: Way, tls_server: HttpServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By new connections; the one that is open goes on."""
    monkeypatch.setattr(credentials, "CERTIFICATE_FILE_S", 0.0)
    first = Kubeconfig(
        f"https://localhost:{tls_server.port}",
        certificate_authority=certificates.ca_pem,
        client_certificate=certificates.client_certificate,
        client_key=certificates.client_key,
    )
    renewed = certificates.ca.issue_cert("renewed@example")
    shown: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        shown.append(request.transport.get_extra_info("peercert")["subjectAltName"][0][1])
        return web.Response(body=b"{}", content_type="application/json")

    tls_server.overrides["/x"] = note
    given = [first]
    transport = way(first, reload=lambda: given[0])
    await transport.call(Call("GET", "/x"))
    chain = b"".join(blob.bytes() for blob in renewed.cert_chain_pems)
    given[0] = replace(first, client_certificate=chain, client_key=renewed.private_key_pem.bytes())
    await transport.call(Call("GET", "/x"))
    await transport.close()
    assert shown == ["somebody@example", "renewed@example"]
