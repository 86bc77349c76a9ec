"""One POST over aiohttp: which connection it takes, what is tried again, and what aiohttp's failures mean.

Of a Service, an endpoint's address is connected to under the Service's name: connections are kept by endpoint, so that those to an
endpoint that is gone are never used again.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pilothouse import __version__
from pilothouse.engine.apiserver.webhooks.failures import CallFailed, of_certificate, of_connection, posting

MOST_CONNECTIONS = 1024
MOST_TO_ONE = 64
CONNECT_S = 5.0
"""For one endpoint of a Service, while there is another."""
_ENDPOINTS_TRIED = 3
_SENDINGS = 3
_KEPT_S = 30.0
_LOOKUPS = 4
_HEADERS = {
    "User-Agent": f"pilothouse/{__version__}",
    "Accept": "application/json, */*",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}
_BROKEN = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


class HttpAnswer(NamedTuple):
    status: int
    content_type: str
    body: bytes


class Place(NamedTuple):
    """url: where the webhook is. host: the name in its certificate. authority: host and port as its URL has them."""

    url: URL
    host: str
    authority: str


class WebhookExchange:
    """answer_bytes: the longest answer that is read."""

    def __init__(self, answer_bytes: int) -> None:
        self._answer_bytes = answer_bytes
        self._names = Names()
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MOST_CONNECTIONS, limit_per_host=MOST_TO_ONE, keepalive_timeout=_KEPT_S, resolver=self._names
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[tracing],
        )

    async def close(self) -> None:
        await self._session.close()
        await self._names.close()

    async def post(self, url: str, body: bytes, tls: ssl.SSLContext, addresses: Sequence[tuple[str, int]] | None) -> HttpAnswer:
        """addresses: to connect to, in order, None for those of the URL's host. Raises CallFailed."""
        try:
            asked = URL(url, encoded=True)
            host, authority = asked.host or "", asked.raw_authority
        except ValueError as error:
            raise CallFailed(posting(url, str(error))) from error
        if addresses is None:
            return await self._post(url, Place(asked, host, authority), body, tls, None)
        *others, last = addresses[:_ENDPOINTS_TRIED]
        for address, port in others:
            try:
                return await self._post(url, Place(asked.with_host(address).with_port(port), host, authority), body, tls, CONNECT_S)
            except Unconnected:
                continue
        return await self._post(url, Place(asked.with_host(last[0]).with_port(last[1]), host, authority), body, tls, None)

    async def _post(self, url: str, place: Place, body: bytes, tls: ssl.SSLContext, connect_s: float | None) -> HttpAnswer:
        for _ in range(_SENDINGS):
            connection = SimpleNamespace(is_reused=False)
            try:
                return await self._send(url, place, body, tls, connect_s, connection)
            except _BROKEN:
                # A kept connection that its server gives up just then says nothing about the webhook.
                if not connection.is_reused:
                    break
        raise CallFailed(posting(url, "EOF"))

    async def _send(
        self, url: str, place: Place, body: bytes, tls: ssl.SSLContext, connect_s: float | None, connection: SimpleNamespace
    ) -> HttpAnswer:
        """Raises CallFailed, Unconnected, and one of _BROKEN."""
        try:
            async with self._session.post(
                place.url,
                data=body,
                headers={"Host": place.authority},
                ssl=tls,
                server_hostname=place.host,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
                trace_request_ctx=connection,
            ) as response:
                return HttpAnswer(response.status, response.headers.get("Content-Type", ""), await self._read(response))
        except _BROKEN:
            raise
        except aiohttp.ClientConnectorCertificateError as error:
            raise CallFailed(posting(url, of_certificate(error.certificate_error, place.host))) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise CallFailed(posting(url, of_certificate(error.os_error, place.host))) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise Unconnected(posting(url, f"dial tcp {_address(place)}: i/o timeout")) from error
        except aiohttp.ClientConnectorDNSError as error:
            raise CallFailed(posting(url, f"dial tcp: lookup {place.host}: no such host")) from error
        except aiohttp.ClientConnectorError as error:
            raise Unconnected(posting(url, of_connection(error.os_error, _address(place)))) from error
        except aiohttp.ClientError as error:
            raise CallFailed(posting(url, f"malformed HTTP response: {error}")) from error
        except (OSError, ValueError) as error:  # A host that is no name at all, say.
            raise CallFailed(posting(url, f"dial tcp: {error}")) from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Raises CallFailed for an answer that is too long or compressed."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise CallFailed(f"the answer is compressed ({response.headers['Content-Encoding']}), which has not been asked for")
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self._answer_bytes:
                response.close()
                raise CallFailed(f"the answer is longer than {self._answer_bytes} bytes")
            pieces.append(piece)
        return b"".join(pieces)


class Unconnected(CallFailed):
    """Nothing listens there: the webhook has seen nothing of the call."""


def _address(place: Place) -> str:
    host = place.url.host or ""
    return f"[{host}]:{place.url.port}" if ":" in host else f"{host}:{place.url.port}"


async def _note_reuse(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.is_reused = True


class Names(AbstractResolver):
    """Looks names up in threads of its own: a name server that does not answer must not take those of the whole process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="webhook-names")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _lookup, host, port, family)
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, _, _, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)  # type: ignore[return-value]
