"""Sends the first packet of a connection from one pod and watches whether it arrives at another one, whatever listens there. Blocks.

Both pods' network namespaces have to be on this machine, and this process root's: it enters them by threads that end with their work.
What arrives is seen at the pod's own link (AF_PACKET), so that an answer, or none, says nothing.
Source: packet(7); RFC 792, 793, 768, 4443, 9260.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.linux.netns import run_at

PATIENCE_S, TRIES = 0.4, 3
_ALL = 0x0003
_OUTGOING = 4
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_ICMP, _ICMP6 = 1, 58


@dataclass(frozen=True, slots=True)
class Probe:
    """source, target: addresses. own, other: paths of the network namespaces. port: 0 for ICMP."""

    source: str
    target: str
    protocol: str
    port: int
    own: str
    other: str


def namespaces() -> dict[str, str]:
    """Address -> the network namespace that has it, of all that processes of this machine are in."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            name = os.readlink(f"/proc/{pid}/ns/net")
            if name not in seen:
                seen.add(name)
                found |= dict.fromkeys(_local(pid), f"/proc/{pid}/ns/net")
        except OSError:
            continue
    return found


def _local(pid: str) -> Iterator[str]:
    with open(f"/proc/{pid}/net/fib_trie", encoding="ascii") as file:
        last = ""
        for line in file:
            text = line.strip()
            if text.startswith("|--"):
                last = text.removeprefix("|-- ")
            elif "host LOCAL" in text and not last.startswith("127."):
                yield last
    try:
        with open(f"/proc/{pid}/net/if_inet6", encoding="ascii") as file:
            yield from (str(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0]))) for line in file)
    except FileNotFoundError:
        return


def arrives(probe: Probe) -> bool:
    """Raises OSError when a namespace cannot be entered or nothing can be sent."""
    with run_at(probe.other, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))) as watched:
        watched.settimeout(PATIENCE_S)
        seen = threading.Event()
        watcher = threading.Thread(target=_watch, args=(watched, probe, seen, time.monotonic() + TRIES * PATIENCE_S + 0.2), daemon=True)
        watcher.start()
        for _ in range(TRIES):
            run_at(probe.own, lambda: _send(probe))
            if seen.wait(PATIENCE_S):
                break
        watcher.join()
    return seen.is_set()


def _watch(sock: socket.socket, probe: Probe, seen: threading.Event, until: float) -> None:
    while not seen.is_set() and time.monotonic() < until:
        try:
            data, where = sock.recvfrom(2048)
        except TimeoutError:
            continue
        if where[2] != _OUTGOING and _is_it(data, probe):
            seen.set()


def _is_it(data: bytes, probe: Probe) -> bool:
    six = ":" in probe.target
    family, length = (socket.AF_INET6, 40) if six else (socket.AF_INET, (data[0] & 15) * 4 if data else 20)
    if len(data) < length + 4 or (data[0] >> 4) != (6 if six else 4):
        return False
    protocol, source, target = (data[6], data[8:24], data[24:40]) if six else (data[9], data[12:16], data[16:20])
    if (source, target) != (socket.inet_pton(family, probe.source), socket.inet_pton(family, probe.target)):
        return False
    if probe.protocol == "icmp":
        # An echo request, which is no error message about something else.
        return protocol == (_ICMP6 if six else _ICMP) and data[length] == (128 if six else 8)
    return protocol == _PROTOCOLS[probe.protocol] and struct.unpack_from("!H", data, length + 2)[0] == probe.port


def _send(probe: Probe) -> None:
    family = socket.AF_INET6 if ":" in probe.target else socket.AF_INET
    if probe.protocol == "tcp":
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            sock.bind((probe.source, 0))
            sock.connect_ex((probe.target, probe.port))
            # The kernel sends at once; closing takes the attempt back.
            time.sleep(0.02)
    elif probe.protocol == "udp":
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((probe.source, 0))
            sock.sendto(b"ph policy test", (probe.target, probe.port))
    else:
        _send_raw(probe, family)


def _send_raw(probe: Probe, family: int) -> None:
    six = family == socket.AF_INET6
    if probe.protocol == "icmp":
        protocol, body = (_ICMP6, _echo(128)) if six else (_ICMP, _summed(_echo(8)))
    else:
        protocol, body = _PROTOCOLS["sctp"], _init(probe.port)
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.bind((probe.source, 0))
        sock.sendto(body, (probe.target, 0))


def _echo(kind: int) -> bytes:
    """Without its sum, which the kernel adds for IPv6."""
    return struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)


def _summed(message: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", 0xFFFF ^ total) + message[4:]


def _init(port: int) -> bytes:
    """An INIT chunk; its sum is wrong, which no rule of a policy looks at."""
    return struct.pack("!HHIIBBHIIHHI", 40000, port, 0, 0, 1, 0, 20, 1, 65535, 1, 1, 1)
