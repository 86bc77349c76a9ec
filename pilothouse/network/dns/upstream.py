"""Questions that are not the cluster's go to the host's name servers, unchanged, and the answers come back unchanged.

Each question has a socket of its own, connected and on a random port, so that nobody else's packet passes for the answer. Without
a server that answers, failure is said within a few seconds; without any server, at once.
"""

import asyncio
import ipaddress
import random
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from pilothouse.network.dns import codec

TRY_S = 1.5
SILENCE_S = 30.0
ROUNDS = 2
LONGEST = 65535
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


class Upstream:
    """ours: addresses where this very server answers, to which nothing is forwarded."""

    def __init__(self, servers: Iterable[str] | None, resolv_conf: Path, ours: Iterable[Server]) -> None:
        self._fixed = None if servers is None else [parse_server(server) for server in servers]
        self._resolv_conf = resolv_conf
        self._ours = frozenset(ours)
        self._read: tuple[int, list[Server]] = (-1, [])
        self._silent: dict[Server, float] = {}

    def servers(self) -> list[Server]:
        """In the order in which they are asked: one that did not answer a moment ago comes after those that did."""
        since = time.monotonic() - SILENCE_S
        return sorted(self.known(), key=lambda server: self._silent.get(server, -SILENCE_S) > since)

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
        for server in servers * ROUNDS:
            try:
                async with asyncio.timeout(TRY_S):
                    answer = await (_ask_stream(server, message) if stream else _ask_datagram(server, message))
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                self._silent[server] = time.monotonic()
                continue
            self._silent.pop(server, None)
            return answer
        raise NoAnswer("no name server is configured" if not servers else f"none of {len(servers)} name servers answers")


def _answers(message: bytes, answer: bytes) -> bool:
    """Whether the answer repeats the message's identifier and question, in whatever case."""
    end = 12 + codec.question_bytes(message)
    return answer[:2] == message[:2] and answer[12:end].lower() == message[12:end].lower()


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
        raise OSError(f"{server[0]} answers another question")
    return answer
