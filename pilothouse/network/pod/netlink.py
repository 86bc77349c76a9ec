"""The few rtnetlink messages that join a pod to the bridge, packed by hand.

A pod's start waits for this, and a general netlink library takes three times as long as the kernel does. A socket belongs to
the network namespace of the thread that opened it; that is how a pod's own interfaces are set from here.
Source: rtnetlink(7), netlink(7), linux/if_link.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pilothouse.linux.netlink import ACK, CREATE, DONE, DUMP, ERROR, EXCLUSIVE, NESTED, REPLACE, REQUEST, attribute, attributes, refusal
from pilothouse.linux.netlink import message as packed
from pilothouse.linux.netlink import messages as unpacked

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, GETADDR, NEWROUTE, GETROUTE, NEWNEIGH = 20, 22, 24, 26, 28
IFF_UP = 1
SCOPE_GLOBAL, SCOPE_LINK = 0, 253
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_NET_NS_FD, _IFLA_PROTINFO = (
    1,
    3,
    4,
    10,
    18,
    20,
    28,
    12,
)
_AF_BRIDGE = 7
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_BRPORT_HAIRPIN, _BRPORT_LEARNING, _BRPORT_UNICAST_FLOOD, _BRPORT_ISOLATED = 4, 8, 9, 33
_NDA_DST, _NDA_LLADDR, _NUD_NOARP, _NUD_PERMANENT, _NTF_MASTER = 1, 2, 0x40, 0x80, 0x4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 4, 5, 7
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_MAIN_TABLE, _PROTO_STATIC, _UNICAST, _ONLINK = 254, 4, 1, 4
_RECEIVE_BYTES = 1 << 18


class KernelRefusal(OSError):
    """The kernel's answer to a message: an errno, and what was asked."""


@dataclass(frozen=True, slots=True)
class Message:
    """kind, flags: of the netlink header; body: all behind it; what: for the error's text."""

    kind: int
    flags: int
    body: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Link:
    index: int
    name: str
    master: int
    mtu: int
    mac: str
    alias: str


def _text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def _link_header(index: int = 0, flags: int = 0, change: int = 0, family: int = 0) -> bytes:
    return struct.pack("=BxHiII", family, 0, index, flags, change)


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))


def add_bridge(name: str, mtu: int, mac: str) -> Message:
    info = attribute(_IFLA_LINKINFO, _text(_INFO_KIND, "bridge"))
    body = _link_header(flags=IFF_UP, change=IFF_UP) + _text(_IFLA_IFNAME, name) + _number(_IFLA_MTU, mtu)
    body += attribute(_IFLA_ADDRESS, _mac(mac)) + info
    return Message(NEWLINK, CREATE | EXCLUSIVE, body, f"create bridge {name}")


def add_veth(name: str, bridge: int, mtu: int, peer: str, peer_mac: str, peer_netns: int) -> Message:
    """One message: both ends, each in its namespace, the near one up and a port of the bridge.

    The far end cannot be up yet: the kernel refuses to open it before the pair is tied together.
    """
    far = _link_header() + _text(_IFLA_IFNAME, peer) + _number(_IFLA_MTU, mtu)
    far += attribute(_IFLA_ADDRESS, _mac(peer_mac)) + _number(_IFLA_NET_NS_FD, peer_netns)
    info = attribute(_IFLA_LINKINFO, _text(_INFO_KIND, "veth") + attribute(_INFO_DATA, attribute(_VETH_PEER, far)))
    body = _link_header(flags=IFF_UP, change=IFF_UP) + _text(_IFLA_IFNAME, name) + _number(_IFLA_MTU, mtu)
    return Message(NEWLINK, CREATE | EXCLUSIVE, body + _number(_IFLA_MASTER, bridge) + info, f"create veth {name} with peer {peer}")


def set_port(index: int, *, isolated: bool) -> Message:
    """How a bridge treats the port of a pod. It learns nothing from the pod's frames and sends it none for hardware addresses that it does
    not know: `add_forwarding` says where a pod is.

    isolated: no frame passes between this port and another isolated one. Otherwise a frame may also leave by the port that it came in by.
    """
    settings = {_BRPORT_HAIRPIN: not isolated, _BRPORT_LEARNING: False, _BRPORT_UNICAST_FLOOD: False, _BRPORT_ISOLATED: isolated}
    port = attribute(_IFLA_PROTINFO | NESTED, b"".join(attribute(kind, bytes((value,))) for kind, value in settings.items()))
    return Message(SETLINK, 0, _link_header(index, family=_AF_BRIDGE) + port, f"settings of bridge port {index}")


def add_forwarding(index: int, mac: str) -> Message:
    """Frames to the hardware address leave the bridge by this port, whatever others say. Goes with the port."""
    body = struct.pack("=BxHiHBB", _AF_BRIDGE, 0, index, _NUD_NOARP, _NTF_MASTER, 0) + attribute(_NDA_LLADDR, _mac(mac))
    return Message(NEWNEIGH, CREATE | REPLACE, body, f"forward {mac} to port {index}")


def add_neighbour(index: int, address: str, mac: str) -> Message:
    """The host asks nobody on the link for the hardware address."""
    body = struct.pack("=BxHiHBB", socket.AF_INET, 0, index, _NUD_PERMANENT, 0, 0)
    body += attribute(_NDA_DST, socket.inet_aton(address)) + attribute(_NDA_LLADDR, _mac(mac))
    return Message(NEWNEIGH, CREATE | REPLACE, body, f"neighbour {address} is {mac}")


def set_up(index: int, mtu: int = 0) -> Message:
    body = _link_header(index, IFF_UP, IFF_UP) + (_number(_IFLA_MTU, mtu) if mtu else b"")
    return Message(NEWLINK, 0, body, f"set link {index} up")


def set_alias(index: int, alias: str) -> Message:
    return Message(SETLINK, 0, _link_header(index) + _text(_IFLA_IFALIAS, alias), f"name link {index} {alias}")


def delete_link(index: int) -> Message:
    return Message(DELLINK, 0, _link_header(index), f"delete link {index}")


def add_address(index: int, address: str, prefix: int) -> Message:
    packed = socket.inet_aton(address)
    body = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, SCOPE_GLOBAL, index)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    return Message(NEWADDR, CREATE | REPLACE, body, f"add address {address}/{prefix}")


def add_route(index: int, *, destination: str = "", prefix: int = 0, gateway: str = "", source: str = "") -> Message:
    """destination "": the default route. source: the address that packets without one are sent from."""
    scope = SCOPE_GLOBAL if gateway else SCOPE_LINK
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, prefix, 0, 0, _MAIN_TABLE, _PROTO_STATIC, scope, _UNICAST, 0)
    body += b"".join(
        attribute(kind, socket.inet_aton(value))
        for kind, value in ((_RTA_DST, destination), (_RTA_GATEWAY, gateway), (_RTA_PREFSRC, source))
        if value
    )
    return Message(NEWROUTE, CREATE | REPLACE, body + _number(_RTA_OIF, index), f"add route {destination or 'default'}/{prefix}")


class RouteSocket:
    """A netlink socket in the calling thread's network namespace. Use it as a context manager."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.settimeout(10)
        self._sequence = 0

    def __enter__(self) -> "RouteSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, messages: Iterable[Message]) -> None:
        """Send all in one datagram; the kernel works through them in order. Raises KernelRefusal for the first that it refuses."""
        pending: dict[int, Message] = {}
        data = bytearray()
        for message in messages:
            self._sequence += 1
            pending[self._sequence] = message
            data += self._packed(message, REQUEST | ACK)
        self._socket.send(data)
        refusals = [refusal for refusal in self._acknowledgements(pending) if refusal is not None]
        if refusals:
            raise refusals[0]

    def links(self) -> list[Link]:
        self._sequence += 1
        self._socket.send(self._packed(Message(GETLINK, DUMP, _link_header(), "list links"), REQUEST))
        return [_link(body) for kind, body in self._dump() if kind == NEWLINK]

    def link(self, index: int) -> Link:
        """Raises KernelRefusal when there is none."""
        self._sequence += 1
        self._socket.send(self._packed(Message(GETLINK, 0, _link_header(index), "get link"), REQUEST))
        for kind, sequence, body in self._received():
            if sequence == self._sequence and kind == NEWLINK:
                return _link(body)
        raise KernelRefusal(errno.ENODEV, f"link {index} is not there")

    def default_route_link(self) -> int | None:
        """Index of the link that the default route leaves by."""
        self._sequence += 1
        header = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        self._socket.send(self._packed(Message(GETROUTE, DUMP, header, "list routes"), REQUEST))
        found: int | None = None
        for kind, body in self._dump():
            if kind != NEWROUTE or body[1] != 0 or body[4] != _MAIN_TABLE:
                continue
            for name, value in attributes(body[12:]):
                if name == _RTA_OIF and found is None:
                    found = struct.unpack("=I", value)[0]
        return found

    def addresses(self) -> list[str]:
        """All IPv4 addresses of the host."""
        self._sequence += 1
        self._socket.send(
            self._packed(Message(GETADDR, DUMP, struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0), "list addresses"), REQUEST)
        )
        bodies = [body for kind, body in self._dump() if kind == NEWADDR]
        return [socket.inet_ntoa(value) for body in bodies for kind, value in attributes(body[8:]) if kind == _IFA_LOCAL]

    def _packed(self, message: Message, flags: int) -> bytes:
        return packed(message.kind, message.flags | flags, self._sequence, message.body)

    def _received(self) -> Iterator[tuple[int, int, bytes]]:
        """Messages of one datagram: kind, sequence number, body."""
        yield from unpacked(self._socket.recv(_RECEIVE_BYTES))

    def _acknowledgements(self, pending: dict[int, Message]) -> Iterator[KernelRefusal | None]:
        while pending:
            for kind, sequence, body in self._received():
                if kind != ERROR or sequence not in pending:
                    continue
                message = pending.pop(sequence)
                number = refusal(body)
                yield KernelRefusal(number, f"{message.what}: {os.strerror(number)}") if number else None

    def _dump(self) -> Iterator[tuple[int, bytes]]:
        while True:
            for kind, sequence, body in self._received():
                if sequence != self._sequence:
                    continue
                if kind == DONE:
                    return
                if kind == ERROR:
                    number = refusal(body)
                    raise KernelRefusal(number or errno.EPROTO, "netlink dump")
                yield kind, body


def _link(body: bytes) -> Link:
    index = struct.unpack_from("=i", body, 4)[0]
    name, master, mtu, mac, alias = "", 0, 0, "", ""
    for kind, value in attributes(body[16:]):
        if kind == _IFLA_IFNAME:
            name = value.rstrip(b"\0").decode()
        elif kind == _IFLA_MASTER:
            master = struct.unpack("=I", value)[0]
        elif kind == _IFLA_MTU:
            mtu = struct.unpack("=I", value)[0]
        elif kind == _IFLA_ADDRESS:
            mac = value.hex(":")
        elif kind == _IFLA_IFALIAS:
            alias = value.rstrip(b"\0").decode(errors="replace")
    return Link(index, name, master, mtu, mac, alias)
