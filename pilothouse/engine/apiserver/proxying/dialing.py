"""Connections to pods: from wherever the API server runs, by the pod's address.

TLS is not verified, as with upstream's: the pod's address is all that is known of it, and what asks by it for a certificate's name
would be refused by every pod. Source: kube-apiserver's ProxyTransport.
"""

import asyncio
import functools
import os
import ssl
from collections.abc import Awaitable
from typing import Protocol

CONNECT_S = 10.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Dial(Protocol):
    def __call__(self, host: str, port: int, *, tls: bool) -> Awaitable[Connection]:
        """Raises OSError; TimeoutError is one."""
        ...


async def dial(host: str, port: int, *, tls: bool) -> Connection:
    async with asyncio.timeout(CONNECT_S):
        if tls:
            return await asyncio.open_connection(host, port, ssl=_unverified(), server_hostname=host)
        return await asyncio.open_connection(host, port)


def why(error: Exception, address: str) -> str:
    """In the words of Go's dialer. address: host and port."""
    if isinstance(error, TimeoutError):
        return f"dial tcp {address}: i/o timeout"
    if isinstance(error, ssl.SSLError):
        return f"remote error: tls: {(error.reason or 'handshake failure').lower().replace('_', ' ')}"
    number = getattr(error, "errno", None)
    said = os.strerror(number) if number and number > 0 else str(error)
    return f"dial tcp {address}: connect: {said[:1].lower()}{said[1:]}"


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
