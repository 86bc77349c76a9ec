"""The machine's network interfaces and their addresses, over rtnetlink. Everything here blocks, for about a tenth of a millisecond.

An address that is added here is one host's (/32, /128), is never chosen as the source of a connection, and has a lifetime: the kernel takes
it away by itself when nobody has renewed it. It carries a protocol number (since Linux 5.18), by which it is known again after a restart.
Source: rtnetlink(7), linux/if_addr.h, linux/rtnetlink.h.
"""

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from pilothouse.linux import netlink

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

PROTOCOL = 114
"""Of addresses that are made here; other numbers are the kernel's and other programs'."""
FOREVER_S = 0xFFFFFFFF
_NEWLINK, _GETLINK, _NEWADDR, _DELADDR, _GETADDR = 16, 18, 20, 21, 22
_IFLA_ADDRESS, _IFLA_NAME = 1, 3
_ADDRESS, _LOCAL, _CACHE_INFO, _FLAGS, _PROTO = 1, 2, 6, 8, 11
_UP, _LOOPBACK = 0x1, 0x8
_NO_DAD, _NO_PREFIX_ROUTE = 0x02, 0x200
_SCOPE_GLOBAL, _SCOPE_LINK = 0, 253
_ABSENT = 99  # EADDRNOTAVAIL
_TIMEOUT_S = 5.0


class InterfaceFailure(Exception):
    """The kernel refuses an address, or cannot be asked."""


@dataclass(frozen=True, slots=True)
class HeldAddress:
    """valid_s: until the kernel takes it away, FOREVER_S for never. is_ours: it was made by `hold`."""

    interface: Interface
    valid_s: int
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Link:
    """mac: six bytes on Ethernet. addresses: those of global scope."""

    index: int
    name: str
    mac: bytes
    is_up: bool
    is_loopback: bool
    addresses: tuple[HeldAddress, ...] = field(default=())

    def has(self, address: Address) -> HeldAddress | None:
        return next((each for each in self.addresses if each.interface.ip == address), None)

    def reaches(self, address: Address) -> bool:
        """Whether it is in the network of an address that the link has of its own."""
        return any(not each.is_ours and address in each.interface.network for each in self.addresses)


def links() -> list[Link]:
    """Raises InterfaceFailure."""
    held: dict[int, list[HeldAddress]] = {}
    for body in _dump(_GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0), _NEWADDR):
        index, found = _held(body)
        if found is not None:
            held.setdefault(index, []).append(found)
    found_links = (_link(body) for body in _dump(_GETLINK, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0), _NEWLINK))
    return [Link(*facts, tuple(held.get(facts[0], ()))) for facts in found_links]


def hold(index: int, address: Address, valid_s: int) -> None:
    """Add the address, or renew it. Raises InterfaceFailure."""
    flags = _NO_PREFIX_ROUTE | (_NO_DAD if address.version == 6 else 0)
    attributes = (
        netlink.attribute(_LOCAL, address.packed)
        + netlink.attribute(_ADDRESS, address.packed)
        + netlink.attribute(_CACHE_INFO, struct.pack("=IIII", 0, valid_s, 0, 0))
        + netlink.attribute(_FLAGS, struct.pack("=I", flags))
        + netlink.attribute(_PROTO, bytes([PROTOCOL]))
    )
    _ask(_NEWADDR, netlink.CREATE | netlink.REPLACE, _header(index, address) + attributes)


def drop(index: int, address: Address) -> None:
    """An address that is gone already is no error. Raises InterfaceFailure."""
    _ask(_DELADDR, 0, _header(index, address) + netlink.attribute(_LOCAL, address.packed), forgiven=_ABSENT)


def _header(index: int, address: Address) -> bytes:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return struct.pack("=BBBBI", family, address.max_prefixlen, 0, _SCOPE_GLOBAL, index)


def _held(body: bytes) -> tuple[int, HeldAddress | None]:
    family, prefix, _flags, scope, index = struct.unpack_from("=BBBBI", body)
    if scope >= _SCOPE_LINK or family not in (socket.AF_INET, socket.AF_INET6):
        return index, None
    found = dict(netlink.attributes(body[8:]))
    packed = found.get(_LOCAL) or found.get(_ADDRESS) or b""
    _, valid_s = struct.unpack_from("=II", found.get(_CACHE_INFO, b"\xff" * 8))
    interface = ipaddress.ip_interface((packed, prefix))
    return index, HeldAddress(interface, valid_s, found.get(_PROTO) == bytes([PROTOCOL]))


def _link(body: bytes) -> tuple[int, str, bytes, bool, bool]:
    _, _, _, index, flags, _ = struct.unpack_from("=BBHiII", body)
    found = dict(netlink.attributes(body[16:]))
    name = found.get(_IFLA_NAME, b"").rstrip(b"\0").decode(errors="replace")
    return index, name, found.get(_IFLA_ADDRESS, b""), bool(flags & _UP), bool(flags & _LOOPBACK)


def _dump(kind: int, body: bytes, wanted: int) -> Iterator[bytes]:
    with _socket() as channel:
        channel.send(netlink.message(kind, netlink.REQUEST | netlink.DUMP, 1, body))
        while True:
            for kind_, _sequence, found in netlink.messages(_receive(channel)):
                if kind_ == netlink.DONE:
                    return
                if kind_ == netlink.ERROR:
                    raise InterfaceFailure(os.strerror(netlink.refusal(found)))
                if kind_ == wanted:
                    yield found


def _ask(kind: int, flags: int, body: bytes, forgiven: int = 0) -> None:
    with _socket() as channel:
        channel.send(netlink.message(kind, netlink.REQUEST | netlink.ACK | flags, 1, body))
        for kind_, _sequence, found in netlink.messages(_receive(channel)):
            if kind_ == netlink.ERROR and (number := netlink.refusal(found)) not in (0, forgiven):
                raise InterfaceFailure(os.strerror(number))


def _receive(channel: socket.socket) -> bytes:
    try:
        return channel.recv(1 << 17)
    except OSError as error:
        raise InterfaceFailure(f"the kernel does not answer: {error}") from error


def _socket() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    channel.settimeout(_TIMEOUT_S)
    return channel
