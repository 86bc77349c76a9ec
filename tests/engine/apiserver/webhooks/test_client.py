"""The client for webhooks against real servers over TLS: what reaches them, what is believed, and what a bad one costs."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.webhooks.client import ANSWER_BYTES, WebhookClient
from pilothouse.engine.apiserver.webhooks.failures import CallFailed
from pilothouse.engine.apiserver.webhooks.target import WebhookTarget
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.wire.messages import Response
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.webhooks.listener import Listener, answering_bytes, expose, listening


async def failure(caller: WebhookClient, config: Object, *, timeout_s: float = 5.0) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await caller.post(WebhookTarget.of(config), {"asked": 1}, timeout_s=timeout_s)
    return caught.value


async def test_a_webhook_is_sent_json_and_told_its_time(caller: WebhookClient, listener: Listener) -> None:
    listener.answer = lambda document: {"got": document}
    assert await caller.post(WebhookTarget.of(listener.config("/some/path")), {"a": 1}, timeout_s=2.5) == {"got": {"a": 1}}
    (request,) = listener.requests
    assert (request.method, request.path, request.query) == ("POST", "/some/path", "timeout=3s")
    assert request.headers["content-type"] == "application/json"


async def test_a_url_with_a_name_is_looked_up(caller: WebhookClient, listener: Listener) -> None:
    listener.answer = lambda document: {}
    config = listener.config() | {"url": f"https://localhost:{listener.port}/x"}
    assert await caller.post(WebhookTarget.of(config), {}) == {}
    assert listener.requests[0].headers["host"] == f"localhost:{listener.port}"


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "xn--", "a\\b"])
async def test_a_host_that_is_no_name_is_the_webhooks_failure(caller: WebhookClient, host: str) -> None:
    assert (await failure(caller, {"url": f"https://{host}/"})).message.startswith('Post "https://')


async def test_connections_are_kept(caller: WebhookClient, listener: Listener) -> None:
    for _ in range(5):
        await caller.post(WebhookTarget.of(listener.config()), {})
    assert len({request.peer.port for request in listener.requests}) == 1


async def test_a_service_is_called_at_an_endpoint_under_its_own_name(caller: WebhookClient, listener: Listener, store: Store) -> None:
    await expose(store, "hook", listener.port)
    await caller.post(WebhookTarget.of(listener.service("hook")), {})
    assert listener.requests[0].headers["host"] == "hook.default.svc:443"


async def test_an_endpoint_that_is_gone_is_passed_over(caller: WebhookClient, listener: Listener, store: Store) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        await expose(store, "hook", listener.port, closed.getsockname()[1])
        for _ in range(8):
            await caller.post(WebhookTarget.of(listener.service("hook")), {})
    assert len(listener.asked) == 8


async def test_a_service_without_what_is_asked_for_is_named(caller: WebhookClient, listener: Listener, store: Store) -> None:
    url = "https://hook.default.svc:443/hook?timeout=5s"
    assert (await failure(caller, listener.service("hook"))).message == f'Post "{url}": service "hook" not found'
    await expose(store, "hook")
    assert (await failure(caller, listener.service("hook"))).message == f'Post "{url}": no endpoints available for service "hook"'
    other = await failure(caller, listener.service("hook", port=8443))
    assert other.message.endswith(': no service port 8443 found for service "hook"')


async def test_a_certificate_has_to_be_vouched_for_and_carry_the_name(
    caller: WebhookClient, listener: Listener, store: Store, tmp_path: Path
) -> None:
    stranger = Listener(listener.port, CertificateAuthority.create(tmp_path / "other"))
    said = "tls: failed to verify certificate: x509:"
    assert f"{said} certificate signed by unknown authority" in (await failure(caller, stranger.config())).message
    await expose(store, "other", listener.port)
    assert f"{said} certificate is not valid for other.default.svc" in (await failure(caller, listener.service("other"))).message
    assert listener.asked == []


async def test_nothing_that_listens_is_refused_in_gos_words(caller: WebhookClient, listener: Listener) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        found = await failure(caller, listener.config() | {"url": f"https://127.0.0.1:{port}/x"})
    assert found.message == f'Post "https://127.0.0.1:{port}/x?timeout=5s": dial tcp 127.0.0.1:{port}: connect: connection refused'


async def test_a_redirect_is_not_followed(caller: WebhookClient, listener: Listener) -> None:
    listener.answer = lambda document: Response(302, (("location", "/elsewhere"),))
    found = await failure(caller, listener.config())
    assert found.message == "the server responded with the status code 302 but did not return more information"
    assert len(listener.requests) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "the server could not find the requested resource"),
        (500, 'an error on the server ("out of \\"order\\"") has prevented the request from succeeding'),
        (503, "the server is currently unable to handle the request"),
    ],
)
async def test_an_answer_that_is_no_success_is_told_as_upstream_tells_it(
    caller: WebhookClient, listener: Listener, status: int, said: str
) -> None:
    listener.answer = lambda document: Response(status, (("content-type", "text/plain"),), b'out of "order"\n')
    assert (await failure(caller, listener.config())).message == said


async def test_a_webhook_that_does_not_answer_in_time_is_given_up(caller: WebhookClient, listener: Listener) -> None:
    never = asyncio.Event()
    listener.answer = lambda document: never.wait()
    found = await failure(caller, listener.config(), timeout_s=0.2)
    assert found.message == f'Post "https://127.0.0.1:{listener.port}/hook?timeout=1s": context deadline exceeded'


async def test_a_server_that_never_speaks_tls_costs_its_time_only(caller: WebhookClient, listener: Listener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        found = await failure(caller, listener.config() | {"url": url}, timeout_s=0.2)
    assert found.message.endswith("context deadline exceeded")


async def test_an_answer_without_end_is_left_unread(caller: WebhookClient, authority: CertificateAuthority, listener: Listener) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"[" * 0x100000 + b"\r\n"
    async with answering_bytes(authority, head, *[chunk] * 100) as port:
        found = await failure(caller, listener.config() | {"url": f"https://127.0.0.1:{port}"}, timeout_s=20)
    assert found.message == f"the answer is longer than {ANSWER_BYTES} bytes"


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[" * 500_000, b'{"a":' * 300_000], ids=["nothing", "a word", "deep lists", "deep objects"]
)
async def test_an_answer_that_is_no_json_is_told_so(caller: WebhookClient, listener: Listener, body: bytes) -> None:
    listener.answer = lambda document: Response(200, (("content-type", "application/json"),), body)
    assert (await failure(caller, listener.config())).message.startswith("couldn't get version/kind; json parse error: ")


async def test_a_compressed_answer_is_refused(caller: WebhookClient, listener: Listener) -> None:
    listener.answer = lambda document: Response(200, (("content-encoding", "gzip"),), b"\x1f\x8b")
    assert "compressed (gzip)" in (await failure(caller, listener.config())).message


async def test_a_slow_webhook_holds_up_no_other(caller: WebhookClient, listener: Listener, authority: CertificateAuthority) -> None:
    released = asyncio.Event()
    async with listening(authority) as slow:
        slow.answer = lambda document: released.wait()
        waiting = [asyncio.ensure_future(caller.post(WebhookTarget.of(slow.config()), {}, timeout_s=30)) for _ in range(200)]
        while len(slow.asked) < 64:
            await asyncio.sleep(0.01)
        started = time.monotonic()
        await caller.post(WebhookTarget.of(listener.config()), {}, timeout_s=5)
        assert time.monotonic() - started < 5
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        released.set()


async def test_a_connection_that_its_server_has_closed_is_opened_again(caller: WebhookClient, authority: CertificateAuthority) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    async with answering_bytes(authority, answer) as port:
        config = Listener(port, authority).config()
        for _ in range(3):
            assert await caller.post(WebhookTarget.of(config), {}) == {}
