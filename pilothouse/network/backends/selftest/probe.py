"""One node tried from this one: does a packet come back, does a checked one, how large may it be, and what answers when nothing does.

Where nodes speak BGP, also whether the port is open at which that one listens.
"""

import asyncio
import os
import socket
import struct
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from pilothouse.network.backends.selftest import half_open
from pilothouse.network.backends.selftest.echo import MAGIC, PORT, bound
from pilothouse.network.backends.selftest.half_open import Answer, Port, checksum

TRIES = 3
LEAST_BYTES = 1280
"""RFC 8200, section 5: a path that carries less is broken, not narrow."""
STEP_BYTES = 8
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3
"""linux/in.h: the packet is not cut, whatever is known of the path."""
_SO_NO_CHECK = 11


@dataclass(frozen=True, slots=True)
class Target:
    """own, other: gateway addresses of the two nodes' pods. host: the address of the other node's machine.

    mtu: what should fit, in bytes. answer_s: how long an answer may take. bgp: where the other one listens, None where nothing has to.
    """

    node: str
    own: str
    other: str
    host: str
    mtu: int
    answer_s: float
    bgp: Port | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """fits: the largest packet that came back, in bytes; 0: none did. unchecked: whether packets without a checksum come back although
    others do not. host_answers: whether the machine itself is there; only asked when no packet came back. bgp: of its port."""

    target: Target
    fits: int
    unchecked: bool = False
    host_answers: bool = False
    bgp: Answer = Answer.OPEN

    @property
    def is_good(self) -> bool:
        return self.fits >= self.target.mtu


async def probe(target: Target) -> Finding:
    found = await _packets(target)
    return found if target.bgp is None else replace(found, bgp=await half_open.ask(target.bgp, target.answer_s))


async def _packets(target: Target) -> Finding:
    if not await _comes_back(target, 0):
        unchecked = ":" not in target.own and await _comes_back(target, 0, unchecked=True)
        return Finding(target, 0, unchecked, unchecked or await answers_ping(target.host, target.answer_s))
    if await _comes_back(target, target.mtu):
        return Finding(target, target.mtu)
    return Finding(target, await _largest(target))


async def _largest(target: Target) -> int:
    """By halving; at most seven sizes a node and round for links of 1,500 bytes."""
    fits, too_large = LEAST_BYTES, target.mtu
    if not await _comes_back(target, fits):
        return 0
    while too_large - fits > STEP_BYTES:
        middle = (fits + too_large) // 2
        if await _comes_back(target, middle, tries=2):
            fits = middle
        else:
            too_large = middle
    return fits


async def _comes_back(target: Target, size: int, *, tries: int = TRIES, unchecked: bool = False) -> bool:
    """size: of the whole packet in bytes; 0: a small one."""
    is_six = ":" in target.own
    header = 48 if is_six else 28
    nonce = MAGIC + os.urandom(16)
    payload = nonce.ljust(max(size - header, len(nonce)), b".")
    try:
        with closing(bound(target.own, 0)) as here:
            level, option = (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER) if is_six else (socket.IPPROTO_IP, _IP_MTU_DISCOVER)
            here.setsockopt(level, option, _PROBE)
            if unchecked:
                here.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
            here.connect((target.other, PORT))
            return await _tried(here, payload, tries, target.answer_s)
    except OSError:
        return False


async def _tried(here: socket.socket, payload: bytes, tries: int, answer_s: float) -> bool:
    for _ in range(tries):
        if await _answered(here, payload, answer_s):
            return True
    return False


async def _answered(here: socket.socket, payload: bytes, answer_s: float) -> bool:
    """Raises OSError where the packet is refused at once."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(here, payload)
    with suppress(TimeoutError, ConnectionRefusedError):
        async with asyncio.timeout(answer_s):
            return await loop.sock_recv(here, 65536) == payload
    return False


async def answers_ping(address: str, within_s: float) -> bool:
    """RFC 792, RFC 4443: an echo request to a machine, and its reply."""
    is_six = ":" in address
    number = os.getpid() & 0xFFFF
    kind, reply = (128, 129) if is_six else (8, 0)
    body = struct.pack("!HH", number, 1) + MAGIC
    packet = struct.pack("!BBH", kind, 0, 0 if is_six else checksum(struct.pack("!BBH", kind, 0, 0) + body)) + body
    protocol = socket.IPPROTO_ICMPV6 if is_six else socket.IPPROTO_ICMP
    loop = asyncio.get_running_loop()
    try:
        with closing(socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_RAW, protocol)) as here:
            here.setblocking(False)
            here.connect((address, 0))
            async with asyncio.timeout(within_s):
                await loop.sock_sendall(here, packet)
                while True:
                    found = await loop.sock_recv(here, 65536)
                    message = found if is_six else found[(found[0] & 15) * 4 :]
                    if message[:1] == bytes((reply,)) and message[4:].startswith(body[:2]):
                        return True
    except (OSError, TimeoutError):
        return False
