"""The registry on further nodes: under the same loopback address there, carried over TLS with certificates on both sides.

Images are named by where the registry listens (127.0.0.1:PORT), and a node pulls and pushes under these names whichever machine it is. So
each node that has joined listens there, too, and hands connections on to the machine of the registry, which takes them from who has a
node's certificate of the cluster's authority, and hears what is asked for (`asked.py`). The registry itself stays on loopback.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.aio.tasks import first_of, scope
from pilothouse.platform.registry.asked import Refused, Requests
from pilothouse.platform.registry.entrance import Entrance
from pilothouse.wire.tls import load_again, server_context

log = structlog.get_logger("platform.registry")
CHUNK = 1 << 16
CONNECT_S, RELOAD_S = 10.0, 3600.0
MOST, MOST_OF_ONE = 1024, 128
"""Connections at once, in all and of one node; who comes beyond is let go and tries again."""
IDLE_S = 600.0
"""A connection on which nothing has come from either side for so long is ended: its node may have lost its power."""
NODES = "system:nodes"
LOOPBACK = "127.0.0.1"

FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Context = Callable[[], ssl.SSLContext]
"""Made anew from the files of a certificate that somebody renews. Blocks; raises OSError, ValueError."""


class _Relay:
    """Connections that are carried on, each until one side ends it. most_of_one: of those that say to be of the same."""

    def __init__(self, most_of_one: int = MOST) -> None:
        self._most_of_one = most_of_one
        self._counts: Counter[str] = Counter()

    async def carry(
        self,
        streams: Streams,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        of: str = "",
        requests: Requests | None = None,
    ) -> None:
        """of: whose connection it is. requests: judges what is asked for, or nobody does."""
        reader, writer = streams
        if self._counts[of] >= self._most_of_one or self._counts.total() >= MOST:
            log.warning("too many connections to the registry at once: one is refused", of=of, most=self._most_of_one)
            writer.transport.abort()
            return
        self._counts[of] += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                outward, onward = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
            try:
                await _carry((reader, writer), (outward, onward), requests)
            finally:
                await _close(onward)
        except Refused as error:
            log.warning("a request to the registry is refused", of=of, why=str(error))
            writer.write(FORBIDDEN)
        except (OSError, TimeoutError) as error:
            log.warning("the registry cannot be reached", host=host, port=port, error=str(error) or "timed out")
        finally:
            self._counts[of] -= 1
            if not self._counts[of]:
                del self._counts[of]
            await _close(writer)


async def _carry(near: Streams, far: Streams, requests: Requests | None) -> None:
    """Until one side ends, or neither has said anything for IDLE_S. Raises Refused."""
    loop = asyncio.get_running_loop()
    heard = [loop.time()]

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, judge: Requests | None) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                heard[0] = loop.time()
                if judge is not None:
                    judge.feed(data)
                writer.write(data)
                await writer.drain()

    async def silent() -> None:
        while (left_s := heard[0] + IDLE_S - loop.time()) > 0:  # noqa: ASYNC110 - the time that is slept is known
            await asyncio.sleep(left_s)

    await first_of(copy(near[0], far[1], requests), copy(far[0], near[1], None), silent())


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
        self._relay = _Relay(MOST_OF_ONE)

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """Raises OSError while an address is not there."""
        context = await asyncio.to_thread(server_context, *self._pair, self._ca)
        context.verify_mode = ssl.CERT_REQUIRED
        async with scope() as tasks:
            tasks.spawn(Entrance(context, self._serve).run(list(self._addresses), self._port, ready), name="entrance")
            while True:
                await asyncio.sleep(RELOAD_S)
                await self._reload(context)
        raise AssertionError("nothing ends the loop")

    async def _reload(self, context: ssl.SSLContext) -> None:
        try:
            await asyncio.to_thread(load_again, context, *self._pair)
        except OSError as error:
            log.warning("the certificate is not read again", certificate=str(self._pair[0]), error=str(error))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        if not is_node(certificate):
            writer.transport.abort()
            return
        await self._relay.carry((reader, writer), LOOPBACK, self._port, of=name_of(certificate), requests=Requests())


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
        await self._relay.carry((reader, writer), self._host, self._port, tls=tls)


def is_node(certificate: object) -> bool:
    """certificate: as ssl shows one that it has verified (`SSLSocket.getpeercert`)."""
    return ("organizationName", NODES) in _subject(certificate)


def name_of(certificate: object) -> str:
    """The user of a certificate; "" where it names none."""
    return next((value for key, value in _subject(certificate) if key == "commonName"), "")


def _subject(certificate: object) -> list[tuple[str, str]]:
    subject = certificate.get("subject", ()) if isinstance(certificate, dict) else ()
    return [part for parts in subject for part in parts]
