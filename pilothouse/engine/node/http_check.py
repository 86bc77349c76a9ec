"""One HTTP GET as probes and lifecycle hooks need it: no pool, no body worth keeping, certificates not verified.

Source: kubernetes/pkg/probe/http.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

AGENT = "kube-probe/1.36"
MAX_BODY, MAX_HEAD, MAX_REDIRECTS = 10 * 1024, 64 * 1024, 10


class CheckFailed(Exception):
    """The check did not succeed; the message is what a user sees in the event."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    location: str
    body: bytes


async def get(url: str, headers: Mapping[str, str]) -> Answer:
    """Raises CheckFailed. The caller sets the deadline. Redirects on the same host are followed."""
    host = urlsplit(url).hostname
    for _ in range(MAX_REDIRECTS):
        answer = await _get_once(url, headers)
        target = urljoin(url, answer.location) if answer.location else ""
        if answer.status not in (301, 302, 303, 307, 308) or not target or urlsplit(target).hostname != host:
            return answer
        url = target
    raise CheckFailed(f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')


async def _get_once(url: str, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=_unverified() if secure else None, limit=MAX_HEAD)
    except OSError as error:
        raise CheckFailed(f'Get "{url}": dial tcp {parts.hostname}:{port}: connect: {reason(error)}') from error
    try:
        writer.write(_request(parts.netloc, parts.path or "/", parts.query, headers))
        return await _answer(reader)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise CheckFailed(f'Get "{url}": {reason(error)}') from error
    finally:
        # Nothing more is wanted of this connection: no closing handshake that a slow peer could drag out.
        writer.transport.abort()


def reason(error: Exception) -> str:
    """As the kernel words it; asyncio words a refused connection its own way."""
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(host: str, path: str, query: str, headers: Mapping[str, str]) -> bytes:
    given = {name.lower() for name in headers}
    defaults = {"Host": host, "User-Agent": AGENT, "Accept": "*/*"}
    sent = {name: value for name, value in defaults.items() if name.lower() not in given} | dict(headers) | {"Connection": "close"}
    target = path + (f"?{query}" if query else "")
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    location = next((line.partition(":")[2].strip() for line in head[1:] if line.lower().startswith("location:")), "")
    body = b"" if status < 400 else await reader.read(MAX_BODY)
    return Answer(status, location, body)
