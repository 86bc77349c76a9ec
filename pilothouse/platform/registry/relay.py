"""The registry on further nodes: under the same loopback address there, carried over TLS with certificates on both sides.

Images are named by where the registry listens (127.0.0.1:PORT), and a node pulls and pushes under these names whichever machine it is. So
each node that has joined listens there, too, and hands connections on to the machine of the registry, which takes them from who has a
node's certificate of the cluster's authority. The registry itself stays on loopback.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.aio.tasks import first_of
from pilothouse.wire.tls import server_context

log = structlog.get_logger("platform.registry")
CHUNK = 1 << 16
CONNECT_S, HANDSHAKE_S, RELOAD_S = 10.0, 10.0, 3600.0
MOST = 256
"""Connections at once; who comes beyond is let go and tries again."""
NODES = "system:nodes"
LOOPBACK = "127.0.0.1"

Context = Callable[[], ssl.SSLContext]
"""Made anew from the files of a certificate that somebody renews. Blocks; raises OSError, ValueError."""


class _Relay:
    """Connections that are carried on, each until one side ends it."""

    def __init__(self) -> None:
        self._count = 0

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        if self._count >= MOST:
            log.warning("too many connections to the registry at once: one is refused", most=MOST)
            writer.transport.abort()
            return
        self._count += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                outward, onward = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
            try:
                await first_of(_copy(reader, onward), _copy(outward, writer))
            finally:
                await _close(onward)
        except (OSError, TimeoutError) as error:
            log.warning("the registry cannot be reached", host=host, port=port, error=str(error) or "timed out")
        finally:
            self._count -= 1
            await _close(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    """What was written is sent, within a moment."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    writer.transport.abort()


class RegistryForNodes:
    """Beside the registry, under the same port. addresses: where nodes come to. pair: certificate and key. ca: of nodes' certificates."""

    def __init__(self, addresses: Sequence[str], port: int, pair: tuple[Path, Path], ca: Path) -> None:
        self._addresses = addresses
        self._port = port
        self._pair = pair
        self._ca = ca
        self._relay = _Relay()

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """Raises OSError while an address is not there."""
        context = await asyncio.to_thread(server_context, *self._pair, self._ca)
        context.verify_mode = ssl.CERT_REQUIRED
        async with await asyncio.start_server(
            self._serve, list(self._addresses), self._port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
        ):
            ready.set()
            while True:
                await asyncio.sleep(RELOAD_S)
                await asyncio.to_thread(context.load_cert_chain, *self._pair)
        raise AssertionError("nothing ends the loop")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_node(writer.get_extra_info("peercert")):
            writer.transport.abort()
            return
        await self._relay.carry(reader, writer, LOOPBACK, self._port, None)


class RegistryOnNode:
    """On a node that has joined. host: of the registry's machine; port: there and here. context: with the node's certificate."""

    def __init__(self, host: str, port: int, context: Context, *, listens_on: str = LOOPBACK) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._listens_on = listens_on
        self._relay = _Relay()

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """Raises OSError when the port is taken here."""
        async with await asyncio.start_server(self._serve, self._listens_on, self._port):
            ready.set()
            await asyncio.Event().wait()
        raise AssertionError("nothing ends the wait")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            tls = await asyncio.to_thread(self._context)
        except (OSError, ValueError) as error:
            log.warning("the registry cannot be reached", error=str(error))
            writer.transport.abort()
            return
        await self._relay.carry(reader, writer, self._host, self._port, tls)


def is_node(certificate: object) -> bool:
    """certificate: as ssl shows one that it has verified (`SSLSocket.getpeercert`)."""
    subject = certificate.get("subject", ()) if isinstance(certificate, dict) else ()
    return any(part == ("organizationName", NODES) for parts in subject for part in parts)
