"""HTTP probes and hooks against real sockets on the loopback."""

import ssl
from typing import Any

import pytest
import trustme

from pilothouse.engine.node.check import exchange
from pilothouse.engine.node.check.failure import CheckFailed
from pilothouse.engine.node.check.http import hook_http, probe_http
from tests.engine.node.check.servers import OK, answering, plain_only

CONTAINER = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}
HERE = "127.0.0.1"


async def probe(port: int, timeout_s: float = 5.0, **action: Any) -> str:
    return await probe_http({"port": port, **action}, CONTAINER, HERE, timeout_s)


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", "Content-Length: 0", *headers, "", ""]).encode()


@pytest.mark.parametrize("answer", ["200 OK", "204 No Content", "299"])
async def test_every_status_of_success_passes(answer: str) -> None:
    async with answering(f"HTTP/1.1 {answer}\r\n\r\n".encode()) as (port, _):
        assert await probe(port) == ""


async def test_an_error_status_fails_the_probe_and_not_the_hook() -> None:
    async with answering(status("500 Oh")) as (port, _):
        with pytest.raises(CheckFailed, match=r"^HTTP probe failed with statuscode: 500$"):
            await probe(port)
        assert await hook_http({"port": port}, CONTAINER, HERE) == ""


async def test_a_hook_says_that_it_is_one() -> None:
    async with answering(OK) as (port, asked):
        await hook_http({"port": port}, CONTAINER, HERE)
        await probe(port)
    assert "User-Agent: kube-lifecycle/1.36\r\n" in asked[0]
    assert "User-Agent: kube-probe/1.36\r\n" in asked[1]


async def test_a_redirect_is_followed_on_the_same_host() -> None:
    async with answering(status("302 Found", "Location: /next?x=1"), OK) as (port, asked):
        assert await probe(port) == ""
        assert asked[1].startswith("GET /next?x=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("headers", [("Location: http://elsewhere.invalid/",), ()])
async def test_a_redirect_that_is_not_followed_passes_with_a_warning(headers: tuple[str, ...]) -> None:
    async with answering(status("302 Found", *headers)) as (port, _):
        assert await probe(port) == "Probe terminated redirects, Response body: "


async def test_redirects_without_end_fail() -> None:
    async with answering(status("302 Found", "Location: /")) as (port, _):
        with pytest.raises(CheckFailed, match="stopped after 10 redirects"):
            await probe(port)


async def test_a_host_of_ones_own_goes_along_to_the_same_address_only() -> None:
    async with answering(status("302 Found", "Location: /next"), OK) as (port, asked):
        await probe(port, httpHeaders=[{"name": "host", "value": "my.example"}])
        assert "\r\nHost: my.example\r\n" in asked[1]
    async with answering(OK) as (second, asked), answering(status("302 Found", f"Location: http://{HERE}:{second}/")) as (first, _):
        await probe(first, httpHeaders=[{"name": "host", "value": "my.example"}])
        assert f"\r\nHost: {HERE}:{second}\r\n" in asked[0]


@pytest.mark.parametrize("location", ["http://[x", "http://127.0.0.1:99999/", "gopher://127.0.0.1/"])
async def test_a_location_that_cannot_be_read_fails_the_probe(location: str) -> None:
    async with answering(status("302 Found", f"Location: {location}")) as (port, _):
        with pytest.raises(CheckFailed):
            await probe(port)


@pytest.mark.parametrize(
    "answer", [b"", b"\r\n\r\n", b"no number\r\n\r\n", b"HTTP/1.1 99999 x\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\nA"]
)
async def test_what_is_not_http_fails_the_probe(answer: bytes) -> None:
    async with answering(answer) as (port, _):
        with pytest.raises(CheckFailed, match=f'^Get "http://{HERE}:{port}/": '):
            await probe(port)


async def test_a_head_without_end_is_not_read_to_the_end() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20000) as (port, _):
        with pytest.raises(CheckFailed, match="longer than 65536 bytes"):
            await probe(port)


async def test_interim_answers_are_no_answers() -> None:
    async with answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + status("503 No")) as (port, _):
        with pytest.raises(CheckFailed, match="statuscode: 503"):
            await probe(port)


async def test_line_ends_of_shell_scripts_are_understood() -> None:
    async with answering(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok") as (port, _):
        assert await probe(port) == ""


async def test_a_body_that_does_not_come_in_time_fails_the_probe() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", keep_open=True) as (port, _):
        with pytest.raises(CheckFailed, match="while reading body"):
            await probe(port, timeout_s=0.2)


async def test_a_head_that_does_not_come_in_time_fails_the_probe() -> None:
    async with answering(b"HTTP/1.1 ", keep_open=True) as (port, _):
        with pytest.raises(CheckFailed, match="while awaiting headers"):
            await probe(port, timeout_s=0.2)


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n\r\nwhole", b"Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"])
async def test_a_whole_body_is_enough_although_the_connection_stays(framing: bytes) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n" + framing, keep_open=True) as (port, _):
        assert await probe(port) == ""


async def test_a_body_that_breaks_off_fails_the_probe() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal") as (port, _):
        with pytest.raises(CheckFailed, match="unexpected EOF"):
            await probe(port)


async def test_of_a_long_body_only_the_beginning_is_read() -> None:
    async with answering(b"HTTP/1.1 302 Found\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 20000, keep_open=True) as (port, _):
        assert (await probe(port)).count("x") == 10 * 1024


async def test_nobody_listening_is_said_as_upstream_says_it() -> None:
    async with answering(OK) as (port, _):
        pass
    with pytest.raises(CheckFailed, match=f'^Get "http://{HERE}:{port}/": dial tcp {HERE}:{port}: connect: connection refused$'):
        await probe(port)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"<!DOCTYPE HTML>\n"])
async def test_a_hook_over_https_falls_back_to_http_and_leaves_credentials_behind(answer: bytes) -> None:
    action = {"scheme": "HTTPS", "httpHeaders": [{"name": "authorization", "value": "secret"}, {"name": "X-A", "value": "b"}]}
    async with plain_only(answer) as (port, asked):
        warning = await hook_http({"port": port, **action}, CONTAINER, HERE)
        assert warning.endswith("http: server gave HTTP response to HTTPS client; the request was sent again over HTTP and answered")
        with pytest.raises(CheckFailed, match="server gave HTTP response to HTTPS client"):
            await probe(port, scheme="HTTPS")
    assert b"X-A: b" in asked[1]
    assert b"secret" not in asked[1]


async def test_a_server_that_waits_for_the_rest_of_the_greeting_is_asked_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "HANDSHAKE_S", 0.2)
    async with plain_only(b"") as (port, _):
        assert "did not answer the handshake" in await hook_http({"port": port, "scheme": "HTTPS"}, CONTAINER, HERE)


async def test_certificates_are_not_verified() -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("other.example").configure_cert(served)
    async with answering(OK, secure=served) as (port, _):
        assert await probe(port, scheme="HTTPS") == ""
