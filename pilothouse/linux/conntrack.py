"""Makes the kernel forget flows whose translation is not meant any more.

A UDP flow keeps its first translation, or that it has none, as long as packets come: a client with a fixed port would talk to an address
where nobody is. Only flows to the ports that matter are asked for, where the kernel can choose them (Linux 5.8), so that a table of a
million flows costs the kernel a walk and this process nothing.
Source: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c (CTA_FILTER).
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.linux.netlink import ACK, DONE, DUMP, ERROR, NESTED, REQUEST, attribute, attributes, message, messages, refusal

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_ORIGINAL, _REPLY, _ID, _ZONE, _FILTER = 1, 2, 12, 18, 25
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE, _DESTINATION = 1, 2
_SOURCE6, _DESTINATION6 = 3, 4
_PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIGINAL, _BY_PROTOCOL, _BY_DESTINATION_PORT = 1, 1 << 3, 1 << 5
_HEADER_BYTES = 4
_RECEIVE_BYTES = 1 << 18
_DEADLINE_S = 5.0
_BATCH = 100
MOST_PORTS = 32
"""Of more, all flows of the protocol are asked for in one go."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """to: address and port that the client sends to; answers: those that the answers come from. tuple, id, zone: as the kernel has them."""

    protocol: int
    to: Address
    answers: Address
    tuple: bytes
    id: bytes
    zone: bytes


def forget(ports: Iterable[int], is_stale: Callable[[Flow], bool], protocol: int = socket.IPPROTO_UDP, family: int = socket.AF_INET) -> int:
    """End the flows of the protocol and family to these ports, as clients know them, that are stale. Returns how many.

    Raises OSError when the kernel does not answer, or refuses for another reason than that a flow has ended by itself.
    """
    wanted = sorted(set(ports))
    if not wanted:
        return 0
    stale: dict[bytes, Flow] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.settimeout(_DEADLINE_S)
        chosen: list[int | None] = [*wanted] if len(wanted) <= MOST_PORTS else [None]
        for number, port in enumerate(chosen, start=1):
            for flow in _flows(netlink, number, protocol, port, family):
                if flow.protocol == protocol and is_stale(flow):
                    stale[flow.tuple + flow.zone] = flow
        flows = list(stale.values())
        return sum(_delete(netlink, flows[start : start + _BATCH], start + 1000, family) for start in range(0, len(flows), _BATCH))


def _flows(netlink: socket.socket, sequence: int, protocol: int, port: int | None, family: int) -> Iterator[Flow]:
    """A kernel that cannot choose answers with all flows."""
    netlink.send(message(_GET, REQUEST | DUMP, sequence, _header(family) + _choice(protocol, port)))
    while True:
        for kind, of, body in messages(netlink.recv(_RECEIVE_BYTES)):
            if of != sequence:
                continue
            if kind == DONE:
                return
            if kind == ERROR:
                _raise(refusal(body) or errno.EPROTO, "list flows")
            flow = _flow(body[_HEADER_BYTES:])
            if flow is not None:
                yield flow


def _choice(protocol: int, port: int | None) -> bytes:
    by = _BY_PROTOCOL | (0 if port is None else _BY_DESTINATION_PORT)
    proto = attribute(_PROTOCOL, bytes((protocol,))) + (b"" if port is None else attribute(_DESTINATION_PORT, struct.pack("!H", port)))
    original = attribute(_ORIGINAL | NESTED, attribute(_TUPLE_PROTO | NESTED, proto))
    return original + attribute(_FILTER | NESTED, attribute(_FILTER_ORIGINAL, struct.pack("=I", by)))


def _delete(netlink: socket.socket, flows: list[Flow], sequence: int, family: int) -> int:
    """How many were there still. One that has ended meanwhile, or whose place another one has taken, is as good as ended."""
    pending = set(range(sequence, sequence + len(flows)))
    header = _header(family)
    netlink.send(b"".join(message(_DELETE, REQUEST | ACK, sequence + number, header + _name(flow)) for number, flow in enumerate(flows)))
    ended = 0
    while pending:
        for kind, of, body in messages(netlink.recv(_RECEIVE_BYTES)):
            if kind != ERROR or of not in pending:
                continue
            pending.discard(of)
            number = refusal(body)
            if number not in (0, errno.ENOENT):
                _raise(number, "end a flow")
            ended += not number
    return ended


def _header(family: int) -> bytes:
    return struct.pack("!BBH", family, 0, 0)


def _name(flow: Flow) -> bytes:
    zone = attribute(_ZONE, flow.zone) if flow.zone else b""
    return attribute(_ORIGINAL | NESTED, flow.tuple) + (attribute(_ID, flow.id) if flow.id else b"") + zone


def _raise(number: int, what: str) -> None:
    raise OSError(number, f"conntrack: {what}: {os.strerror(number)}")


def _flow(data: bytes) -> Flow | None:
    """None for flows without ports."""
    found = dict(attributes(data))
    original = found.get(_ORIGINAL, b"")
    there, back = _tuple(original), _tuple(found.get(_REPLY, b""))
    if there is None or back is None:
        return None
    return Flow(there[0], there[2], back[1], original, found.get(_ID, b""), found.get(_ZONE, b""))


def _tuple(data: bytes) -> tuple[int, Address, Address] | None:
    """Protocol, source, destination; None for flows without ports."""
    parts = dict(attributes(data))
    ip, proto = dict(attributes(parts.get(_TUPLE_IP, b""))), dict(attributes(parts.get(_TUPLE_PROTO, b"")))
    source, destination = ip.get(_SOURCE) or ip.get(_SOURCE6), ip.get(_DESTINATION) or ip.get(_DESTINATION6)
    if source is None or destination is None or _SOURCE_PORT not in proto or _DESTINATION_PORT not in proto:
        return None
    ends = (
        (_shown(address), struct.unpack("!H", proto[port])[0])
        for address, port in ((source, _SOURCE_PORT), (destination, _DESTINATION_PORT))
    )
    return proto[_PROTOCOL][0], next(ends), next(ends)


def _shown(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
