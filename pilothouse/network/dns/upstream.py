"""Questions that are not the cluster's go to other name servers, unchanged, and the answers come back unchanged.

Each question has a socket of its own, connected and on a random port, so that nobody else's packet passes for the answer. The server
that has answered quickest is asked first; when it is slower than it should be, the next one is asked as well, and the first answer
counts. Without a server that answers, failure is said within a few seconds; without any server, at once.
"""

import asyncio
import ipaddress
import random
import resource
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from pilothouse.network.dns import codec, metrics

log = structlog.get_logger("network.dns")
PATIENCE_S, SHORT_PATIENCE_S = 4.0, 1.0
"""For one question, all servers and rounds together; resolvers in pods wait 5 s. The second: while all servers are known to be silent."""
HEDGE_S = 0.3
"""After so long without an answer the next server is asked, too."""
ROUNDS = 2
MOST_ASKED = 4
"""Of one question, sockets at a time and in all."""
SILENCE_S, MOST_SILENCE_S = 30.0, 300.0
"""A server that did not answer is asked after all others for so long; twice as long each time, up to the second."""
SMOOTHING = 0.2
"""Weight of the newest of a server's times in the mean that orders servers."""
LONGEST = 65535
MOST_FILES = 16_384
SHARE_OF_FILES, SHARE_OF_SOCKETS = 1 / 3, 2 / 3
"""Of the files that this process may have open, so many may be sockets to other servers; of these so many to those of one `forward`."""
Server = tuple[str, int]


class NoAnswer(Exception):
    """No upstream server has answered, or there is none."""


def parse_resolv_conf(text: str) -> list[Server]:
    """Name servers in order."""
    found: list[Server] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            found.append((words[1], 53))
    return found


def parse_server(text: str) -> Server:
    """`1.2.3.4`, `1.2.3.4:5353`, `::1` or `[::1]:5353`."""
    if _is_address(text):
        return text, 53
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class _Health:
    """What is known of one server. mean_s: of its answers, None without any; failures: since its last answer."""

    __slots__ = ("failures", "mean_s", "silent_until")

    def __init__(self) -> None:
        self.mean_s: float | None = None
        self.failures = 0
        self.silent_until = 0.0

    def answered(self, took_s: float) -> None:
        self.failures, self.silent_until = 0, 0.0
        self.mean_s = took_s if self.mean_s is None else self.mean_s + SMOOTHING * (took_s - self.mean_s)

    def failed(self, now: float) -> None:
        if now >= self.silent_until:
            self.silent_until = now + min(SILENCE_S * 2 ** min(self.failures, 8), MOST_SILENCE_S)
            self.failures += 1


class Sockets:
    """How many there may be at a time: whoever needs another one waits, and the rest of the process keeps its files."""

    def __init__(self, most: int | None = None) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = MOST_FILES if soft == resource.RLIM_INFINITY else min(soft, MOST_FILES)
        self.most = int(files * SHARE_OF_FILES) if most is None else most
        self.places = asyncio.Semaphore(self.most)


class Upstream:
    """servers: None for those of resolv_conf. ours: addresses where this very server answers, to which nothing is forwarded.

    most: questions under way at a time; who comes when there are as many is told that there is no answer. sockets: of all forwards
    together; while those of this one are scarce, no question has two.
    """

    def __init__(
        self,
        servers: Iterable[str] | None,
        resolv_conf: Path,
        ours: Iterable[Server],
        *,
        most: int = 1000,
        sockets: Sockets | None = None,
    ) -> None:
        self._fixed = None if servers is None else [parse_server(server) for server in servers]
        self._resolv_conf = resolv_conf
        self._ours = frozenset(ours)
        self._most = most
        self._under_way = 0
        sockets = sockets or Sockets()
        self._most_open, self._open = max(int(sockets.most * SHARE_OF_SOCKETS), 1), 0
        self._sockets, self._own_sockets = sockets.places, asyncio.Semaphore(self._most_open)
        self._read: tuple[int, list[Server]] = (-1, [])
        self._health: dict[Server, _Health] = {}

    def servers(self) -> list[Server]:
        """In the order in which they are asked: those that did not answer lately last, the others by the time that their answers take.

        One without an answer so far comes first, so that each of them is tried.
        """
        now = time.monotonic()

        def rank(server: Server) -> tuple[bool, float]:
            health = self._health.get(server) or _Health()
            # In steps, so that servers which are as good as each other stay in the order in which they are written.
            return now < health.silent_until, round((health.mean_s or 0.0) / HEDGE_S * 10)

        return sorted(self.known(), key=rank)

    def known(self) -> list[Server]:
        """As they are configured, in that order."""
        found = self._fixed if self._fixed is not None else self._from_file()
        return [server for server in found if server not in self._ours]

    def _from_file(self) -> list[Server]:
        try:
            changed = self._resolv_conf.stat().st_mtime_ns
            if changed != self._read[0]:
                self._read = changed, parse_resolv_conf(self._resolv_conf.read_text(errors="replace"))
        except OSError:
            return []
        return self._read[1]

    async def ask(self, message: bytes, *, stream: bool) -> bytes:
        """The answer to a whole DNS message, with the message's own identifier. stream: over TCP. Raises NoAnswer."""
        servers = self.servers()
        if not servers:
            raise NoAnswer("no name server is configured")
        if self._under_way >= self._most:
            raise NoAnswer(f"{self._most} questions are under way already")
        self._health = {server: self._health.get(server) or _Health() for server in self.known()}
        self._under_way += 1
        try:
            return await self._first_answer((servers * ROUNDS)[:MOST_ASKED], message, stream)
        finally:
            self._under_way -= 1

    async def _first_answer(self, servers: list[Server], message: bytes, stream: bool) -> bytes:
        """Of servers that are asked one after the other, each as soon as those before have failed or been silent for a moment."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (SHORT_PATIENCE_S if self._all_silent(servers) else PATIENCE_S)
        waiting: set[asyncio.Task[bytes | None]] = set()
        unwilling: bytes | None = None
        try:
            while servers or waiting:
                left_s = until - loop.time()
                if left_s <= 0:
                    break
                if servers and (not waiting or self._open < self._most_open // 2):
                    waiting.add(loop.create_task(self._try(servers.pop(0), message, stream, left_s)))
                done, waiting = await asyncio.wait(
                    waiting, timeout=min(HEDGE_S, left_s) if servers else left_s, return_when=asyncio.FIRST_COMPLETED
                )
                for answer in (task.result() for task in done):
                    if answer is not None and codec.is_of_use(answer):
                        return answer
                    unwilling = unwilling or answer
        finally:
            for task in waiting:
                task.cancel()
            if waiting:
                await asyncio.gather(*waiting, return_exceptions=True)
        if unwilling is not None:
            return unwilling
        raise NoAnswer(f"none of {len(self._health)} name servers answers")

    def _all_silent(self, servers: list[Server]) -> bool:
        now = time.monotonic()
        return all(now < self._health[server].silent_until for server in servers)

    async def _try(self, server: Server, message: bytes, stream: bool, patience_s: float) -> bytes | None:
        """None: it has not answered."""
        began, health, is_asked = time.monotonic(), self._health.setdefault(server, _Health()), False
        try:
            async with asyncio.timeout(patience_s), self._own_sockets, self._sockets:
                began, is_asked = time.monotonic(), True
                self._open += 1
                answer = await (_ask_stream(server, message) if stream else _ask_datagram(server, message))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            if is_asked:
                self._failed(server, health, error)
            return None
        except asyncio.CancelledError:
            # Another server's answer came first: this one was too slow.
            if is_asked and time.monotonic() - began >= HEDGE_S:
                health.failed(time.monotonic())
            raise
        finally:
            self._open -= is_asked
        took_s = time.monotonic() - began
        health.answered(took_s)
        metrics.FORWARDED.observe(took_s, _shown(server), str(answer[3] & 0xF))
        return answer

    def _failed(self, server: Server, health: _Health, error: Exception) -> None:
        if not health.failures:
            log.warning("name server does not answer", server=_shown(server), why=str(error) or type(error).__name__)
        health.failed(time.monotonic())
        metrics.FAILED.add(_shown(server))


def _shown(server: Server) -> str:
    address, port = server
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _answers(message: bytes, answer: bytes) -> bool:
    """Whether it is an answer, and repeats the message's identifier and question, the name in whatever case."""
    end = 12 + codec.question_bytes(message)
    if len(answer) < end or answer[:2] != message[:2] or codec.folded(answer[12:end]) != codec.folded(message[12:end]):
        return False
    return codec.is_answer(answer)


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, message: bytes) -> None:
        self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._message = message

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        if not self.received.done() and _answers(self._message, data):
            self.received.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.received.done():
            self.received.set_exception(exc)


async def _ask_datagram(server: Server, message: bytes) -> bytes:
    identifier = struct.pack("!H", random.SystemRandom().randrange(1 << 16))
    asked = identifier + message[2:]
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Answer(asked), remote_addr=server)
    try:
        transport.sendto(asked)
        answer = await protocol.received
    finally:
        transport.close()
    return message[:2] + answer[2:]


async def _ask_stream(server: Server, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(struct.pack("!H", len(message)) + message)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        answer = await reader.readexactly(length)
    finally:
        writer.close()
    if not _answers(message, answer):
        raise OSError(f"{server[0]} answers another question, or not at all")
    return answer
