"""The machine's network interfaces and their addresses, over rtnetlink. Everything here blocks, for about a tenth of a millisecond and more
with many addresses.

An address that is added here is one host's (/32, /128), is never chosen as the source of a connection, and has a lifetime: the kernel takes
it away by itself when nobody has renewed it. It carries a protocol number (since Linux 5.18), by which it is known again after a restart.
Source: rtnetlink(7), linux/if_addr.h, linux/rtnetlink.h.
"""

import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pilothouse.linux import netlink

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

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


@dataclass(frozen=True)
class Link:
    """mac: six bytes on Ethernet. addresses: those of global scope, thousands perhaps, most of them ours."""

    index: int
    name: str
    mac: bytes
    is_up: bool
    is_loopback: bool
    addresses: tuple[HeldAddress, ...] = field(default=())

    def has(self, address: Address) -> HeldAddress | None:
        return self._by_address.get(address)

    def reaches(self, address: Address) -> bool:
        """Whether it is in the network of an address that the link has of its own."""
        return any(address in network for network in self.networks)

    @cached_property
    def networks(self) -> frozenset[Network]:
        """Of the addresses that the link has of its own."""
        return frozenset(each.interface.network for each in self.addresses if not each.is_ours)

    @cached_property
    def _by_address(self) -> dict[Address, HeldAddress]:
        found: dict[Address, HeldAddress] = {}
        for each in self.addresses:
            found.setdefault(each.interface.ip, each)
        return found


def links() -> list[Link]:
    """Raises InterfaceFailure."""
    held: dict[int, list[HeldAddress]] = {}
    for body in _dump(_GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0), _NEWADDR):
        index, found = _held(body)
        if found is not None:
            held.setdefault(index, []).append(found)
    found_links = (_link(body) for body in _dump(_GETLINK, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0), _NEWLINK))
    return [Link(*facts, tuple(held.get(facts[0], ()))) for facts in found_links]


def hold(places: Iterable[tuple[int, Address]], valid_s: int) -> dict[Address, str]:
    """Add the addresses, or renew them. places: a link's index and an address. Returns those that the kernel refuses, and why.

    Raises InterfaceFailure when it cannot be asked.
    """
    return _each(_NEWADDR, netlink.CREATE | netlink.REPLACE, places, lambda address: _lifetime(address, valid_s))


def drop(places: Iterable[tuple[int, Address]]) -> dict[Address, str]:
    """Take the addresses away; one that is gone already is no error. Returns and raises as `hold`."""
    return _each(_DELADDR, 0, places, lambda address: netlink.attribute(_LOCAL, address.packed), forgiven=_ABSENT)


def _lifetime(address: Address, valid_s: int) -> bytes:
    flags = _NO_PREFIX_ROUTE | (_NO_DAD if address.version == 6 else 0)
    return (
        netlink.attribute(_LOCAL, address.packed)
        + netlink.attribute(_ADDRESS, address.packed)
        + netlink.attribute(_CACHE_INFO, struct.pack("=IIII", 0, valid_s, 0, 0))
        + netlink.attribute(_FLAGS, struct.pack("=I", flags))
        + netlink.attribute(_PROTO, bytes([PROTOCOL]))
    )


def _each(
    kind: int, flags: int, places: Iterable[tuple[int, Address]], attributes: Callable[[Address], bytes], forgiven: int = 0
) -> dict[Address, str]:
    refused: dict[Address, str] = {}
    with _socket() as channel:
        for index, address in places:
            number = _ask(channel, kind, flags, _header(index, address) + attributes(address))
            if number not in (0, forgiven):
                refused[address] = os.strerror(number)
    return refused


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


def _ask(channel: socket.socket, kind: int, flags: int, body: bytes) -> int:
    """Returns the number of the error, 0 for none."""
    channel.send(netlink.message(kind, netlink.REQUEST | netlink.ACK | flags, 1, body))
    refusals = (netlink.refusal(found) for kind_, _sequence, found in netlink.messages(_receive(channel)) if kind_ == netlink.ERROR)
    return next(refusals, 0)


def _receive(channel: socket.socket) -> bytes:
    try:
        return channel.recv(1 << 17)
    except OSError as error:
        raise InterfaceFailure(f"the kernel does not answer: {error}") from error


def _socket() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    channel.settimeout(_TIMEOUT_S)
    return channel
