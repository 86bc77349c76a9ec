"""Makes the kernel forget UDP flows to endpoints that are no longer meant.

A UDP flow keeps its first translation as long as packets come, so a client with a fixed port would talk to an address where
nobody is. Source: linux/netfilter/nfnetlink_conntrack.h.
"""

import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ORIGINAL, _REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE, _DESTINATION = 1, 2
_PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_HEADER = struct.pack("!BBH", socket.AF_INET, 0, 0)

Frontends = Mapping[tuple[str, int], frozenset[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Flow:
    """to: address and port that the client sends to; answers: those that the answers come from; original: as the kernel writes it."""

    protocol: int
    to: tuple[str, int]
    answers: tuple[str, int]
    original: bytes


def is_stale(flow: Flow, frontends: Frontends) -> bool:
    """frontends: (address or "" for node ports, port) -> endpoints that are meant."""
    if flow.protocol != socket.IPPROTO_UDP:
        return False
    meant = frontends.get(flow.to)
    if meant is None and flow.answers != flow.to:
        meant = frontends.get(("", flow.to[1]))
    return meant is not None and flow.answers not in meant


def forget(frontends: Frontends) -> int:
    """End the flows through these frontends that lead elsewhere. Returns how many."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.settimeout(10)
        stale = [flow for flow in _flows(netlink) if is_stale(flow, frontends)]
        for sequence, flow in enumerate(stale, start=2):
            body = _HEADER + _attribute(_ORIGINAL | 0x8000, flow.original)
            netlink.send(_message(_DELETE, _REQUEST | _ACK, sequence, body))
            netlink.recv(1 << 16)  # the acknowledgement; a flow that has ended by itself meanwhile is as good
    return len(stale)


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += length + (-length % 4)
    return found


def _flows(netlink: socket.socket) -> Iterator[Flow]:
    netlink.send(_message(_GET, _REQUEST | _DUMP, 1, _HEADER))
    while True:
        data = netlink.recv(1 << 18)
        offset = 0
        while offset + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, offset)
            if kind in (_DONE, _ERROR):
                return
            flow = _flow(data[offset + 20 : offset + length])
            if flow is not None:
                yield flow
            offset += length + (-length % 4)


def _flow(data: bytes) -> Flow | None:
    attributes = _attributes(data)
    original, reply = attributes.get(_ORIGINAL, b""), attributes.get(_REPLY, b"")
    there, back = _tuple(original), _tuple(reply)
    if there is None or back is None:
        return None
    return Flow(there[0], there[2], back[1], original)


def _tuple(data: bytes) -> tuple[int, tuple[str, int], tuple[str, int]] | None:
    """Protocol, source, destination; None for flows without ports."""
    parts = _attributes(data)
    ip, proto = _attributes(parts.get(_TUPLE_IP, b"")), _attributes(parts.get(_TUPLE_PROTO, b""))
    if _SOURCE not in ip or _SOURCE_PORT not in proto or _DESTINATION_PORT not in proto:
        return None
    ends = (
        (socket.inet_ntoa(ip[address]), struct.unpack("!H", proto[port])[0])
        for address, port in ((_SOURCE, _SOURCE_PORT), (_DESTINATION, _DESTINATION_PORT))
    )
    return proto[_PROTOCOL][0], next(ends), next(ends)
