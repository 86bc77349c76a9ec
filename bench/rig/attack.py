"""Hostile clients, in a process of their own: what costs a server memory and time for little of one's own.

`python -m bench.rig.attack FOLDER PORT USER IDLE` signs in as USER where it helps and goes on until it is ended. FOLDER/attack holds what
it has done so far as JSON, written each second: idle connections open, and answers that floods were given by status.
"""

import asyncio
import json
import resource
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop

from bench.rig.figures import now
from pilothouse.aio.child import Child
from pilothouse.aio.tasks import each
from pilothouse.model.kinds import CONFIGMAPS
from pilothouse.wire.tls import client_context

FLOODS, SLOW = 32, 50
BODY_BYTES = (3 << 20) - 1000
_BETWEEN_S = 0.05
_OPENERS = 32
OPENING_S = 120.0
_GONE = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError)
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Attack:
    def __init__(self, folder: Path, port: int, user: str, idle: int) -> None:
        self._port = port
        self._user = user
        self._idle = idle
        self._result = folder / "attack"
        self._stranger = client_context(folder / "ca.crt")
        self._known = client_context(folder / "ca.crt", folder / f"{user}.crt", folder / f"{user}.key")
        self._statuses: Counter[str] = Counter()
        self._open: list[Pair] = []
        self._opening = 0

    async def run(self) -> None:
        kinds: list[tuple[int, Callable[[], Coroutine[Any, Any, None]]]] = [
            (FLOODS, self._pipeline_unread),
            (FLOODS, lambda: self._send_bodies(self._known)),
            (FLOODS, lambda: self._send_bodies(self._stranger)),
            (SLOW, self._watch_unread),
            (SLOW, self._write_slowly),
            (SLOW, self._guess_tokens),
        ]
        work = [self._flood(one) for count, one in kinds for _ in range(count)]
        opening = [self._hold_idle() for _ in range(_OPENERS)]
        await each([self._report(), *opening, *work], limit=len(work) + len(opening) + 1)

    async def _flood(self, one: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Once the idle connections are there, for they would take their time behind a flood of others."""
        end = now() + OPENING_S
        while len(self._open) < self._idle and now() < end:
            await asyncio.sleep(0.5)
        await self._again(one)

    async def _again(self, one: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            with suppress(*_GONE):
                await one()
            await asyncio.sleep(_BETWEEN_S)

    async def _report(self) -> None:
        while True:
            idle = sum(not writer.is_closing() and not reader.at_eof() for reader, writer in self._open)
            self._result.write_text(json.dumps({"idle": idle, "opened": len(self._open), "statuses": dict(self._statuses)}))
            await asyncio.sleep(1)

    async def _connect(self, tls: ssl.SSLContext) -> Pair:
        return await asyncio.open_connection("127.0.0.1", self._port, ssl=tls, ssl_handshake_timeout=60)

    async def _hold_idle(self) -> None:
        """Half of them have asked once, as a known user; the others say nothing. Opened once."""
        while len(self._open) + self._opening < self._idle:
            self._opening += 1
            try:
                with suppress(*_GONE):
                    is_known = len(self._open) % 2 == 0
                    pair = await self._connect(self._known if is_known else self._stranger)
                    self._open.append(pair)
                    if is_known:
                        pair[1].write(self._head("GET", "/version"))
                        await _status(pair[0])
            finally:
                self._opening -= 1

    async def _pipeline_unread(self) -> None:
        """Thousands of requests at once, whose answers nobody reads."""
        _, writer = await self._connect(self._known)
        try:
            for _ in range(100):
                writer.write(self._head("GET", CONFIGMAPS.path(self._user)) * 100)
                await asyncio.wait_for(writer.drain(), 5)
        except TimeoutError:
            await asyncio.sleep(5)
        finally:
            writer.transport.abort()

    async def _send_bodies(self, tls: ssl.SSLContext) -> None:
        """As large as they may be, and no objects at all."""
        reader, writer = await self._connect(tls)
        try:
            body = b'{"a":"' + b"x" * (BODY_BYTES - 8) + b'"}'
            writer.write(self._head("POST", CONFIGMAPS.path(self._user), len(body)))
            writer.write(body)
            await writer.drain()
            self._statuses[await _status(reader)] += 1
        finally:
            writer.transport.abort()

    async def _watch_unread(self) -> None:
        _, writer = await self._connect(self._known)
        try:
            writer.write(self._head("GET", f"{CONFIGMAPS.path(self._user)}?watch=true"))
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(20)
        finally:
            writer.transport.abort()

    async def _write_slowly(self) -> None:
        _, writer = await self._connect(self._stranger)
        try:
            for byte in self._head("POST", CONFIGMAPS.path(self._user), 100):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)
        finally:
            writer.transport.abort()

    async def _guess_tokens(self) -> None:
        """A new connection for each."""
        reader, writer = await self._connect(self._stranger)
        try:
            writer.write(f"GET /api HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {'x' * 900}\r\n\r\n".encode())
            self._statuses[await _status(reader)] += 1
        finally:
            writer.transport.abort()

    def _head(self, method: str, path: str, length: int = 0) -> bytes:
        body = f"Content-Type: application/json\r\nContent-Length: {length}\r\n" if length else ""
        return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{body}\r\n".encode()


async def _status(reader: asyncio.StreamReader) -> str:
    return (await asyncio.wait_for(reader.readline(), 60))[9:12].decode()


@asynccontextmanager
async def attacking(folder: Path, port: int, user: str, idle: int) -> AsyncIterator[Callable[[], dict[str, Any]]]:
    """Gives how to read what it has done so far."""
    result = folder / "attack"
    command = [sys.executable, "-m", "bench.rig.attack", str(folder), str(port), user, str(idle)]
    async with await Child.start(command, log=folder / "attack.log", cwd=Path(__file__).parents[2], dies_with_us=True):
        async with asyncio.timeout(60):
            while not result.exists() or not result.read_text():
                await asyncio.sleep(0.05)
        yield lambda: json.loads(result.read_text() or "{}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    uvloop.run(Attack(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])).run())
