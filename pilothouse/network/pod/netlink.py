"""The few rtnetlink messages that give a pod its link and its routes, packed by hand.

A pod's start waits for this, and a general netlink library takes three times as long as the kernel does. A socket belongs to
the network namespace of the thread that opened it; that is how a pod's own interfaces are set from here.
Source: rtnetlink(7), netlink(7), linux/if_link.h.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.linux.netlink import ACK, CREATE, DONE, DUMP, ERROR, EXCLUSIVE, NESTED, REPLACE, REQUEST, attribute, attributes, refusal
from pilothouse.linux.netlink import message as packed
from pilothouse.linux.netlink import messages as unpacked
from pilothouse.linux.route_protocols import TO_PODS
from pilothouse.network.pod.family import family_of
from pilothouse.network.pod.family import packed as packed_address

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, DELADDR, GETADDR, NEWROUTE, DELROUTE, GETROUTE, NEWNEIGH, DELNEIGH = 20, 21, 22, 24, 25, 26, 28, 29
NEWNSID, GETNSID = 88, 90
IFF_UP = 1
SCOPE_GLOBAL, SCOPE_LINK = 0, 253

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
_IFLA_IFALIAS, _IFLA_AF_SPEC, _IFLA_GROUP, _IFLA_NET_NS_FD, _IFLA_LINK_NETNSID = 20, 26, 27, 28, 37
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_INET_CONF, _INET6_ADDR_GEN_MODE, _GEN_MODE_NONE = 1, 8, 1
ACCEPT_REDIRECTS, SEND_REDIRECTS, RP_FILTER, ROUTE_LOCALNET = 4, 6, 8, 26
"""Settings of a link (linux/ip.h, IPV4_DEVCONF_*)."""

_NDA_DST, _NDA_LLADDR, _NUD_PERMANENT = 1, 2, 0x80
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_IFA_ADDRESS, _IFA_LOCAL, _IFA_F_NODAD = 1, 2, 0x02
_NETNSA_NSID, _NETNSA_FD = 1, 3
_MAIN_TABLE, _UNICAST, _UNREACHABLE = 254, 1, 7
_LAST_PRIORITY = 4278198272
"""Behind every route that somebody may have to the same addresses."""

_RECEIVE_BYTES, _BATCH = 1 << 18, 50


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
    """master: the bridge that it is a port of, or 0. peer, peer_netns: a pair's other end, its index and the kernel's number for its
    namespace (-1: this one)."""

    index: int
    name: str
    master: int
    mtu: int
    mac: str
    alias: str
    group: int
    peer: int
    peer_netns: int


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


def add_veth(name: str, mac: str, group: int, mtu: int, peer: str, peer_mac: str, peer_netns: int) -> Message:
    """One message: both ends, each in its namespace, the near one up.

    The far end cannot be up yet: the kernel refuses to open it before the pair is tied together.
    """
    far = _link_header() + _text(_IFLA_IFNAME, peer) + _number(_IFLA_MTU, mtu)
    far += attribute(_IFLA_ADDRESS, _mac(peer_mac)) + _number(_IFLA_NET_NS_FD, peer_netns)
    info = attribute(_IFLA_LINKINFO, _text(_INFO_KIND, "veth") + attribute(_INFO_DATA, attribute(_VETH_PEER, far)))
    body = _link_header(flags=IFF_UP, change=IFF_UP) + _text(_IFLA_IFNAME, name) + _number(_IFLA_MTU, mtu)
    body += attribute(_IFLA_ADDRESS, _mac(mac)) + _number(_IFLA_GROUP, group)
    return Message(NEWLINK, CREATE | EXCLUSIVE, body + info, f"create veth {name} with peer {peer}")


def set_link(index: int, *, alias: str = "", settings: Mapping[int, int] | None = None, mutes_ipv6: bool = False) -> Message:
    """settings: of IPv4, by their numbers. mutes_ipv6: the link makes no address of its own."""
    families = b""
    if settings:
        conf = attribute(_INET_CONF | NESTED, b"".join(_number(number, value) for number, value in settings.items()))
        families += attribute(socket.AF_INET | NESTED, conf)
    if mutes_ipv6:
        families += attribute(socket.AF_INET6 | NESTED, attribute(_INET6_ADDR_GEN_MODE, bytes((_GEN_MODE_NONE,))))
    body = _link_header(index) + (_text(_IFLA_IFALIAS, alias) if alias else b"")
    return Message(SETLINK, 0, body + (attribute(_IFLA_AF_SPEC | NESTED, families) if families else b""), f"settings of link {index}")


def set_mac(index: int, mac: str) -> Message:
    return Message(SETLINK, 0, _link_header(index) + attribute(_IFLA_ADDRESS, _mac(mac)), f"hardware address of link {index}")


def set_group(index: int, group: int) -> Message:
    return Message(SETLINK, 0, _link_header(index) + _number(_IFLA_GROUP, group), f"group of link {index}")


def leave_bridge(index: int) -> Message:
    return Message(SETLINK, 0, _link_header(index) + _number(_IFLA_MASTER, 0), f"take link {index} off its bridge")


def set_mtu(index: int, mtu: int) -> Message:
    return Message(NEWLINK, 0, _link_header(index) + _number(_IFLA_MTU, mtu), f"MTU of link {index}")


def add_neighbour(index: int, address: str, mac: str) -> Message:
    """Nobody on the link is asked for the hardware address, and nobody can say another one."""
    body = struct.pack("=BxHiHBB", family_of(address).number, 0, index, _NUD_PERMANENT, 0, 0)
    body += attribute(_NDA_DST, packed_address(address)) + attribute(_NDA_LLADDR, _mac(mac))
    return Message(NEWNEIGH, CREATE | REPLACE, body, f"neighbour {address} is {mac}")


def set_up(index: int, mtu: int = 0) -> Message:
    body = _link_header(index, IFF_UP, IFF_UP) + (_number(_IFLA_MTU, mtu) if mtu else b"")
    return Message(NEWLINK, 0, body, f"set link {index} up")


def delete_neighbour(index: int, address: str) -> Message:
    body = struct.pack("=BxHiHBB", family_of(address).number, 0, index, 0, 0, 0) + attribute(_NDA_DST, packed_address(address))
    return Message(DELNEIGH, 0, body, f"forget neighbour {address}")


def delete_link(index: int) -> Message:
    return Message(DELLINK, 0, _link_header(index), f"delete link {index}")


def add_address(index: int, address: str) -> Message:
    """Of one host, without a network around it."""
    family, octets = family_of(address), packed_address(address)
    return Message(NEWADDR, CREATE | REPLACE, _address(index, octets, family.number, family.bits), f"add address {address}")


def delete_address(index: int, address: str, prefix: int) -> Message:
    body = _address(index, packed_address(address), family_of(address).number, prefix)
    return Message(DELADDR, 0, body, f"delete address {address}/{prefix}")


def _address(index: int, octets: bytes, family: int, prefix: int) -> bytes:
    flags = _IFA_F_NODAD if family == socket.AF_INET6 else 0
    body = struct.pack("=BBBBI", family, prefix, flags, SCOPE_GLOBAL, index)
    return body + attribute(_IFA_LOCAL, octets) + attribute(_IFA_ADDRESS, octets)


def add_route(index: int, destination: str, *, gateway: str = "", source: str = "", replaces: bool = True) -> Message:
    """destination: an address or a network, of prefix 0 for the default route. source: the address that packets without one are sent from.

    replaces False: one that is there already is refused with EEXIST, and nothing changes.
    """
    family, body = _route(destination, _UNICAST, SCOPE_GLOBAL if gateway or ":" in destination else SCOPE_LINK)
    more = ((_RTA_GATEWAY, gateway), (_RTA_PREFSRC, source))
    body += b"".join(attribute(kind, packed_address(value)) for kind, value in more if value)
    flags = CREATE | (REPLACE if replaces else EXCLUSIVE)
    return Message(NEWROUTE, flags, body + _number(_RTA_OIF, index), f"add {family} route to {destination}")


def add_unreachable(network: str, *, replaces: bool = True) -> Message:
    """Packets to addresses of the network that no other route leads to are refused, with an answer to their sender. See `add_route`."""
    return Message(NEWROUTE, CREATE | (REPLACE if replaces else EXCLUSIVE), _unreachable(network), f"refuse packets to {network}")


def delete_unreachable(network: str) -> Message:
    return Message(DELROUTE, 0, _unreachable(network), f"refuse packets to {network} no more")


def _unreachable(network: str) -> bytes:
    return _route(network, _UNREACHABLE, SCOPE_GLOBAL)[1] + _number(_RTA_PRIORITY, _LAST_PRIORITY)


def _route(destination: str, kind: int, scope: int) -> tuple[str, bytes]:
    family = family_of(destination)
    address, _, prefix = destination.partition("/")
    length = int(prefix or family.bits)
    body = struct.pack("=BBBBBBBBI", family.number, length, 0, 0, _MAIN_TABLE, TO_PODS, scope, kind, 0)
    return family.nft, body + (attribute(_RTA_DST, packed_address(address)) if length else b"")


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
        """Send all in one datagram; the kernel works through them in order, those after a refused one as well.

        Raises KernelRefusal for the first that it refuses.
        """
        refusals = self.try_all(messages)
        if refusals:
            raise refusals[0]

    def try_all(self, messages: Iterable[Message]) -> list[KernelRefusal]:
        """As `send`; answers what was refused. The kernel answers each message before it takes the next datagram, so these are short."""
        waiting = list(messages)
        return [each for start in range(0, len(waiting), _BATCH) for each in self._try(waiting[start : start + _BATCH])]

    def _try(self, messages: Sequence[Message]) -> list[KernelRefusal]:
        pending: dict[int, Message] = {}
        data = bytearray()
        for message in messages:
            self._sequence += 1
            pending[self._sequence] = message
            data += self._packed(message, REQUEST | ACK)
        self._socket.send(data)
        return [refusal for refusal in self._acknowledgements(pending) if refusal is not None]

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

    def number_of(self, namespace: int) -> int:
        """By which links name another network namespace, -1 when none leads there. namespace: descriptor of its file."""
        self._sequence += 1
        body = struct.pack("=Bxxx", socket.AF_UNSPEC) + _number(_NETNSA_FD, namespace)
        self._socket.send(self._packed(Message(GETNSID, 0, body, "number of a namespace"), REQUEST))
        for kind, sequence, answer in self._received():
            if sequence == self._sequence and kind == NEWNSID:
                return int(struct.unpack("=i", dict(attributes(answer[4:]))[_NETNSA_NSID])[0])
        return -1

    def default_route_link(self, family: int = socket.AF_INET) -> int | None:
        """Index of the link that the default route leaves by; None also where it leaves by several."""
        self._sequence += 1
        header = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
        self._socket.send(self._packed(Message(GETROUTE, DUMP, header, "list routes"), REQUEST))
        found: int | None = None
        for kind, body in self._dump():
            if kind != NEWROUTE or body[1] != 0 or body[4] != _MAIN_TABLE:
                continue
            for name, value in attributes(body[12:]):
                if name == _RTA_OIF and found is None:
                    found = struct.unpack("=I", value)[0]
        return found

    def addresses(self, family: int = socket.AF_INET) -> list[str]:
        """All of the host, of one family."""
        return [address for _, address, _ in self.addresses_of_links(family)]

    def addresses_of_links(self, family: int) -> list[tuple[int, str, int]]:
        """Index of the link, address, length of the prefix."""
        self._sequence += 1
        self._socket.send(self._packed(Message(GETADDR, DUMP, struct.pack("=BBBBI", family, 0, 0, 0, 0), "list addresses"), REQUEST))
        found = []
        for body in [body for kind, body in self._dump() if kind == NEWADDR]:
            named = dict(attributes(body[8:]))
            octets = named.get(_IFA_LOCAL) or named[_IFA_ADDRESS]
            found.append((struct.unpack_from("=I", body, 4)[0], socket.inet_ntop(family, octets), body[1]))
        return found

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
    named = dict(attributes(body[16:]))

    def number(kind: int, otherwise: int = 0) -> int:
        return int.from_bytes(named[kind], sys.byteorder, signed=kind == _IFLA_LINK_NETNSID) if kind in named else otherwise

    def text(kind: int) -> str:
        return named.get(kind, b"").rstrip(b"\0").decode(errors="replace")

    return Link(
        index=index,
        name=text(_IFLA_IFNAME),
        master=number(_IFLA_MASTER),
        mtu=number(_IFLA_MTU),
        mac=named.get(_IFLA_ADDRESS, b"").hex(":"),
        alias=text(_IFLA_IFALIAS),
        group=number(_IFLA_GROUP),
        peer=number(_IFLA_LINK),
        peer_netns=number(_IFLA_LINK_NETNSID, -1),
    )
