"""Makes the kernel forget flows whose translation is not meant any more.

A UDP flow keeps its first translation, or that it has none, as long as packets come: a client with a fixed port would talk to an address
where nobody is. So does a TCP flow whose first packet nobody has answered: the client sends it again, to where it went the first time. Only
flows that matter are asked for, where the kernel can choose them (Linux 5.8, by status 5.14), so that a table of a million flows costs the
kernel a walk and this process nothing.
Source: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c (CTA_FILTER, CTA_STATUS_MASK).
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.linux.netlink import ACK, DONE, DUMP, ERROR, NESTED, REQUEST, attribute, attributes, message, messages, refusal

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_ORIGINAL, _REPLY, _STATUS, _ID, _ZONE, _FILTER, _STATUS_MASK = 1, 2, 3, 12, 18, 25, 26
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE, _DESTINATION = 1, 2
_SOURCE6, _DESTINATION6 = 3, 4
_PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIGINAL, _FILTER_REPLY = 1, 2
_BY_SOURCE, _BY_PROTOCOL, _BY_DESTINATION_PORT = 1, 1 << 3, 1 << 5
_SEEN_REPLY = 1 << 1
_HEADER_BYTES = 4
_RECEIVE_BYTES = 1 << 18
_DEADLINE_S = 5.0
_BATCH = 100
MOST_CHOSEN = 4
"""Ports or addresses that flows are asked for one by one, each of which takes a walk of 10 ms through the kernel's table; of more, all
flows in question are asked for in one go."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """to: address and port that the client sends to; answers: those that the answers come from; answered: whether any has come. tuple, id,
    zone: as the kernel has them."""

    protocol: int
    to: Address
    answers: Address
    tuple: bytes
    id: bytes
    zone: bytes
    answered: bool = True


def forget(ports: Iterable[int], is_stale: Callable[[Flow], bool], protocol: int = socket.IPPROTO_UDP, family: int = socket.AF_INET) -> int:
    """End the flows of the protocol and family to these ports, as clients know them, that are stale. Returns how many.

    Raises OSError when the kernel does not answer, or refuses for another reason than that a flow has ended by itself.
    """
    wanted = sorted(set(ports))
    if not wanted:
        return 0
    chosen = [_to_port(protocol, port) for port in wanted] if len(wanted) <= MOST_CHOSEN else [_of_protocol(protocol)]
    return _forget(chosen, lambda flow: flow.protocol == protocol and is_stale(flow), family)


def forget_unanswered(addresses: Collection[str], family: int = socket.AF_INET) -> int:
    """End the flows to endpoints at these addresses, of the family, from which no answer has come. Returns how many.

    The next packet of such a flow is translated anew. A late answer is nobody's then: the client tries again.
    Raises OSError as `forget` does.
    """
    if not addresses:
        return 0
    chosen = [_from_address(each, family) for each in addresses] if len(addresses) <= MOST_CHOSEN else [b""]
    wanted = frozenset(addresses)

    def is_unanswered(flow: Flow) -> bool:
        return not flow.answered and flow.answers[0] in wanted

    return _forget([_UNANSWERED + each for each in chosen], is_unanswered, family, may_change=True)


def _forget(chosen: Iterable[bytes], is_stale: Callable[[Flow], bool], family: int, *, may_change: bool = False) -> int:
    """may_change: what was stale may be so no more, and is looked at again just before it ends: a walk is long enough for an answer."""
    stale: dict[bytes, Flow] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.settimeout(_DEADLINE_S)
        for number, choice in enumerate(chosen, start=1):
            for flow in _flows(netlink, number, choice, family):
                if is_stale(flow):
                    stale[flow.tuple + flow.zone] = flow
        flows = list(stale.values())
        if may_change:
            ended = 0
            for number, flow in enumerate(flows, start=1000):
                now = _again(netlink, 2 * number, flow, family)
                if now is not None and is_stale(now):
                    ended += _delete(netlink, [flow], 2 * number + 1, family)
            return ended
        return sum(_delete(netlink, flows[start : start + _BATCH], start + 1000, family) for start in range(0, len(flows), _BATCH))


def _flows(netlink: socket.socket, sequence: int, choice: bytes, family: int) -> Iterator[Flow]:
    """A kernel that cannot choose answers with all flows."""
    netlink.send(message(_GET, REQUEST | DUMP, sequence, _header(family) + choice))
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


def _again(netlink: socket.socket, sequence: int, flow: Flow, family: int) -> Flow | None:
    """The flow as it is now; None when it has ended."""
    netlink.send(message(_GET, REQUEST, sequence, _header(family) + _name(flow)))
    while True:
        for kind, of, body in messages(netlink.recv(_RECEIVE_BYTES)):
            if of != sequence:
                continue
            if kind != ERROR:
                return _flow(body[_HEADER_BYTES:])
            if (number := refusal(body)) != errno.ENOENT:
                _raise(number or errno.EPROTO, "look at a flow")
            return None


def _of_protocol(protocol: int) -> bytes:
    return _choice(_ORIGINAL, _FILTER_ORIGINAL, _BY_PROTOCOL, attribute(_TUPLE_PROTO | NESTED, attribute(_PROTOCOL, bytes((protocol,)))))


def _to_port(protocol: int, port: int) -> bytes:
    proto = attribute(_PROTOCOL, bytes((protocol,))) + attribute(_DESTINATION_PORT, struct.pack("!H", port))
    return _choice(_ORIGINAL, _FILTER_ORIGINAL, _BY_PROTOCOL | _BY_DESTINATION_PORT, attribute(_TUPLE_PROTO | NESTED, proto))


def _from_address(address: str, family: int) -> bytes:
    """Whose answers come from the address."""
    source = attribute(_SOURCE if family == socket.AF_INET else _SOURCE6, socket.inet_pton(family, address))
    return _choice(_REPLY, _FILTER_REPLY, _BY_SOURCE, attribute(_TUPLE_IP | NESTED, source))


def _choice(direction: int, filtered: int, by: int, ends: bytes) -> bytes:
    return attribute(direction | NESTED, ends) + attribute(_FILTER | NESTED, attribute(filtered, struct.pack("=I", by)))


_UNANSWERED = attribute(_STATUS, struct.pack("!I", 0)) + attribute(_STATUS_MASK, struct.pack("!I", _SEEN_REPLY))


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
    answered = bool(int.from_bytes(found.get(_STATUS, b"\xff"), "big") & _SEEN_REPLY)
    return Flow(there[0], there[2], back[1], original, found.get(_ID, b""), found.get(_ZONE, b""), answered)


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
