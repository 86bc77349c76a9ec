"""Whether a TCP port is open, asked with a SYN alone: the program that listens there never sees a connection.

A whole one would do harm: to a BGP speaker it says that its neighbour has begun anew, and ends the session (RFC 4724, section 5). This
kernel knows nothing of the question, and answers the other's answer with a reset. Source: RFC 9293; raw(7), socket(7).
"""

import asyncio
import ctypes
import os
import socket
import struct
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

TRIES = 3
_SYN, _RESET, _SYN_AND_ACK = 0x02, 0x04, 0x12
_SO_ATTACH_FILTER = 26
_LOAD_HALF, _LOAD_HALF_BEHIND, _SKIP_HEADER, _EQUAL, _RETURN = 0x28, 0x48, 0xB1, 0x15, 0x06
"""linux/filter.h. A filter of an IPv4 socket sees the IP header, one of an IPv6 socket does not."""


class Answer(Enum):
    OPEN = "open"
    REFUSED = "refused"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Port:
    """own: this host's address. host: the other one's, of the same family."""

    own: str
    host: str
    port: int


async def ask(port: Port, answer_s: float) -> Answer:
    """answer_s: how long an answer may take."""
    try:
        with ExitStack() as stack:
            # Held, so that nobody else speaks from there meanwhile.
            held = stack.enter_context(closing(_held(port.own)))
            here = stack.enter_context(closing(_listening(port, held.getsockname()[1])))
            for _ in range(TRIES):
                if (answer := await _asked(here, port, held.getsockname()[1], answer_s)) is not Answer.NONE:
                    return answer
    except OSError:
        # What a router or the firewall says in between.
        return Answer.REFUSED
    return Answer.NONE


async def _asked(here: socket.socket, port: Port, source: int, answer_s: float) -> Answer:
    """Raises OSError."""
    loop = asyncio.get_running_loop()
    number = int.from_bytes(os.urandom(4))
    await loop.sock_sendall(here, segment(port, source, number))
    try:
        async with asyncio.timeout(answer_s):
            while True:
                answer = read(await loop.sock_recv(here, 256), port, number)
                if answer is not Answer.NONE:
                    return answer
    except TimeoutError:
        return Answer.NONE


def segment(port: Port, source: int, number: int) -> bytes:
    """A SYN from the source port."""
    head = struct.pack("!HHIIBBHHH", source, port.port, number, 0, 5 << 4, _SYN, 1024, 0, 0)
    own, host = ip_address(port.own).packed, ip_address(port.host).packed
    total = checksum(own + host + struct.pack("!II", len(head), socket.IPPROTO_TCP) + head)
    return head[:16] + total.to_bytes(2, "big") + head[18:]


def read(packet: bytes, port: Port, number: int) -> Answer:
    """packet: as a raw socket gives it. NONE for what answers something else."""
    found = packet if ":" in port.own else packet[(packet[0] & 15) * 4 :]
    if len(found) < 20:
        return Answer.NONE
    sender, _, _, acknowledged, _, flags = struct.unpack("!HHIIBB", found[:14])
    if sender != port.port or acknowledged != (number + 1) & 0xFFFFFFFF:
        return Answer.NONE
    if flags & _RESET:
        return Answer.REFUSED
    return Answer.OPEN if flags & _SYN_AND_ACK == _SYN_AND_ACK else Answer.NONE


def checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _held(own: str) -> socket.socket:
    """Raises OSError."""
    made = socket.socket(_family(own), socket.SOCK_STREAM)
    try:
        made.bind((own, 0))
    except OSError:
        made.close()
        raise
    return made


def _listening(port: Port, source: int) -> socket.socket:
    """Sees what the other host sends to the source port alone. Raises OSError."""
    is_six = ":" in port.own
    load = [(_LOAD_HALF, 0, 0, 2)] if is_six else [(_SKIP_HEADER, 0, 0, 0), (_LOAD_HALF_BEHIND, 0, 0, 2)]
    program = b"".join(struct.pack("=HBBI", *each) for each in (*load, (_EQUAL, 0, 1, source), (_RETURN, 0, 0, 256), (_RETURN, 0, 0, 0)))
    made = socket.socket(_family(port.own), socket.SOCK_RAW, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        _attach(made, program)
        made.bind((port.own, 0))
        made.connect((port.host, 0))
    except OSError:
        made.close()
        raise
    return made


def _attach(here: socket.socket, program: bytes) -> None:
    """program: instructions of 8 bytes each, which the kernel copies."""
    held = ctypes.create_string_buffer(program)
    here.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(held)))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
