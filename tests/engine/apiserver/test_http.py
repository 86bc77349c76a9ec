"""Over real sockets: streams that end, clients that go away, requests that are not well."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pilothouse.engine.apiserver.http import stream_watch
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap


@asynccontextmanager
async def connected(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection as the administrator."""
    config = json.loads(kubeconfig.read_text())
    address = urlsplit(config["clusters"][0]["cluster"]["server"])
    user = config["users"][0]["user"]
    pair = tmp_path / "admin.pem"
    pair.write_bytes(base64.b64decode(user["client-key-data"]) + base64.b64decode(user["client-certificate-data"]))
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.load_cert_chain(pair)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, *headers: str, method: str = "GET", body: str = ""
) -> tuple[int, str]:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    writer.write(("\r\n".join(lines) + f"\r\n\r\n{body}").encode())
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return int(head.split()[1]), head.lower()


async def read_chunks(reader: asyncio.StreamReader) -> None:
    """To the end of a chunked body; raises when the body is cut short."""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        await reader.readexactly(size + 2)


async def test_a_bad_request_is_a_status(kubeconfig: Path, tmp_path: Path, api: Api) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        code, head = await ask(reader, writer, f"{CONFIGMAPS}?limit=x")
        assert code == 400
        assert "content-type: application/json" in head


async def test_a_large_list_is_compressed_for_those_who_ask(kubeconfig: Path, tmp_path: Path, api: Api) -> None:
    await api.post(CONFIGMAPS, configmap("a", x="y" * 200_000))
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        assert "content-encoding: gzip" in (await ask(reader, writer, CONFIGMAPS, "Accept-Encoding: gzip"))[1]
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        assert "content-encoding" not in (await ask(reader, writer, CONFIGMAPS))[1]


async def test_a_watcher_that_does_not_read_is_cut_off(kubeconfig: Path, tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_watch, "BOUND_BYTES", 1_000)
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        code, _ = await ask(reader, writer, f"{CONFIGMAPS}?watch=1&resourceVersion=1")
        assert code == 200
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(15):
            for number in range(40):
                await api.post(CONFIGMAPS, configmap(f"c{number}", x="y" * 300_000))
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)):
                await read_chunks(reader)


async def test_a_watch_ends_with_its_last_chunk(kubeconfig: Path, tmp_path: Path, api: Api) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        await ask(reader, writer, f"{CONFIGMAPS}?watch=1&timeoutSeconds=1")
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert (await ask(reader, writer, "/version"))[0] == 200


@pytest.mark.parametrize("path", [f"{CONFIGMAPS}/a", CONFIGMAPS, f"{CONFIGMAPS}/missing", "/version"])
async def test_json_ends_with_a_line_end(kubeconfig: Path, tmp_path: Path, api: Api, path: str) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        _, head = await ask(reader, writer, path)
        length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith("content-length"))
        assert (await reader.readexactly(length)).endswith(b"}\n")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("FROB", CONFIGMAPS, 405, "MethodNotAllowed"),
        ("get", CONFIGMAPS, 405, "MethodNotAllowed"),
        ("GET", "*", 404, "404 page not found"),
        ("GET", "/api/v1/watch", 500, "unable to determine kind"),
        ("GET", "/api/v1/proxy", 500, "unable to determine kind"),
        ("GET", "/apis/apps/v1/namespaces/../deployments", 500, 'invalid key: \\"/deployments/..\\"'),
        ("DELETE", "/api/v1/namespaces/./configmaps/a", 500, 'invalid key: \\"/configmaps/./a\\"'),
        ("DELETE", "/api/v1/namespaces/../configmaps", 500, "invalid key"),
    ],
)
async def test_odd_requests_are_refused_as_upstream_does(
    kubeconfig: Path, tmp_path: Path, api: Api, method: str, path: str, status: int, text: str
) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        code, head = await ask(reader, writer, path, method=method)
        body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
    assert code == status
    assert text in body.decode()


async def test_a_method_that_nobody_knows_needs_rights_too(kubeconfig: Path) -> None:
    address = urlsplit(json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=tls)
    assert (await ask(reader, writer, CONFIGMAPS, method="FROB"))[0] == 403
    writer.transport.abort()
