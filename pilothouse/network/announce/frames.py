"""ARP and Neighbour Discovery as Ethernet frames, and the kernel's filter for the few that matter. Pure.

Source: RFC 826, RFC 5227 (probes and announcements of IPv4 addresses), RFC 4861 and RFC 4862 (the same for IPv6); packet(7), and
linux/filter.h for the filter's instructions.
"""

import ipaddress
import struct
from collections.abc import Collection, Iterable, Sequence
from heapq import nlargest
from itertools import pairwise

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ARP, IPV6 = 0x0806, 0x86DD
BROADCAST, NOBODY = b"\xff" * 6, b"\0" * 6
MOST_RANGES = 256
"""Of addresses in one filter: 32 bytes each in the kernel, which has 20 KiB for a socket's old and new one together before Linux 6.7."""
_REQUEST, _REPLY = 1, 2
_ICMPV6, _SOLICIT, _ADVERT = 58, 135, 136
_OVERRIDE = 0x20000000
_UNSPECIFIED = ipaddress.IPv6Address(0)
_ALL_NODES = ipaddress.IPv6Address("ff02::1")
_LOAD_BYTE, _LOAD_WORD, _EQUAL, _ABOVE, _AT_LEAST, _RETURN = 0x30, 0x20, 0x15, 0x25, 0x35, 0x06
Instruction = tuple[int, int, int, int]


def probe(mac: bytes, address: Address, to: bytes = b"") -> bytes:
    """Who has the address? Asked without naming an address of one's own. to: whom to ask, "" for all on the link."""
    if isinstance(address, ipaddress.IPv4Address):
        return _arp(_REQUEST, mac, b"\0" * 4, NOBODY, address.packed, to or BROADCAST)
    group = solicited(address)
    return _icmp(to or _multicast(group), mac, _UNSPECIFIED, group, struct.pack("!BBHI", _SOLICIT, 0, 0, 0) + address.packed)


def announcement(mac: bytes, address: Address) -> bytes:
    """The address is here now: a gratuitous ARP request, or an unsolicited advertisement that overrides."""
    if isinstance(address, ipaddress.IPv4Address):
        return _arp(_REQUEST, mac, address.packed, NOBODY, address.packed, BROADCAST)
    body = struct.pack("!BBHI", _ADVERT, 0, 0, _OVERRIDE) + address.packed + b"\x02\x01" + mac
    return _icmp(_multicast(_ALL_NODES), mac, address, _ALL_NODES, body)


def claimed(frame: bytes) -> tuple[Address, bytes] | None:
    """The address that the frame says somebody has, and whose: the MAC address. None for a frame that says nothing of that."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ARP and len(frame) >= 42:
        return ipaddress.IPv4Address(frame[28:32]), frame[22:28]
    if kind == IPV6 and len(frame) >= 78 and frame[20] == _ICMPV6 and frame[54] == _ADVERT:
        return ipaddress.IPv6Address(frame[62:78]), frame[6:12]
    return None


def solicited(address: ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    """The group in which whoever has the address listens for questions. Source: RFC 4291, 2.7.1."""
    return ipaddress.IPv6Address(int(ipaddress.IPv6Address("ff02::1:ff00:0")) | (int(address) & 0xFFFFFF))


def arp_filter(addresses: Collection[ipaddress.IPv4Address]) -> list[Instruction]:
    """Passes ARP packets whose sender has one of the addresses, or one near by where they are in many places (`covering`)."""
    return [(_LOAD_WORD, 0, 0, 28), *_any_of(covering(int(each) for each in addresses))]


def advert_filter(addresses: Collection[ipaddress.IPv6Address]) -> list[Instruction]:
    """Passes neighbour advertisements for addresses that end as one of these do, or nearly so (`covering`)."""
    words = (int(each) & 0xFFFFFFFF for each in addresses)
    return [
        (_LOAD_BYTE, 0, 0, 20),
        (_EQUAL, 1, 0, _ICMPV6),
        (_RETURN, 0, 0, 0),
        (_LOAD_BYTE, 0, 0, 54),
        (_EQUAL, 1, 0, _ADVERT),
        (_RETURN, 0, 0, 0),
        (_LOAD_WORD, 0, 0, 74),
        *_any_of(covering(words)),
    ]


def program(instructions: Sequence[Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def covering(numbers: Iterable[int], most: int = MOST_RANGES) -> list[tuple[int, int]]:
    """Ranges, first and last number, that hold all of these; no more than `most`, and then across the narrowest gaps.

    So a filter knows any number of addresses; what it passes besides is told apart after it, at the price of a wake-up.
    """
    ordered = sorted(set(numbers))
    if not ordered:
        return []
    gaps = [(after - before, place) for place, (before, after) in enumerate(pairwise(ordered), 1) if after - before > 1]
    cuts = sorted(place for _, place in (gaps if len(gaps) < most else nlargest(most - 1, gaps)))
    return [(ordered[start], ordered[end - 1]) for start, end in pairwise((0, *cuts, len(ordered)))]


def _any_of(ranges: Iterable[tuple[int, int]]) -> list[Instruction]:
    found: list[Instruction] = []
    for first, last in ranges:
        found += [(_AT_LEAST, 0, 2, first), (_ABOVE, 1, 0, last), (_RETURN, 0, 0, 0xFFFF)]
    return [*found, (_RETURN, 0, 0, 0)]


def _arp(operation: int, mac: bytes, sender: bytes, target_mac: bytes, target: bytes, to: bytes) -> bytes:
    head = to + mac + ARP.to_bytes(2, "big")
    return head + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + sender + target_mac + target


def _icmp(to: bytes, mac: bytes, source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, body: bytes) -> bytes:
    pseudo = source.packed + target.packed + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + _checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    # Hop limit 255: whatever has passed a router is not believed (RFC 4861, 7.1).
    head = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255)
    return to + mac + IPV6.to_bytes(2, "big") + head + source.packed + target.packed + body


def _multicast(group: ipaddress.IPv6Address) -> bytes:
    return b"\x33\x33" + group.packed[12:]


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
