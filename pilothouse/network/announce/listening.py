"""Which ports programs of this machine listen on, from /proc/net. Blocks, for about a millisecond."""

import ipaddress
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST = 512
_LISTEN, _UNCONNECTED = "0A", "07"
_TABLES = (("tcp", "tcp", _LISTEN), ("tcp", "tcp6", _LISTEN), ("udp", "udp", _UNCONNECTED), ("udp", "udp6", _UNCONNECTED))
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def ports(addresses: Collection[Address], proc: Path = Path("/proc/thread-self/net")) -> list[str]:
    """Such as `tcp/22`, those that are open at one of the addresses or at all of the machine's; at most MOST, the lowest first.

    Sockets of UDP at a port that the kernel chooses for clients do not count.
    """
    found: set[tuple[int, str]] = set()
    first_ephemeral = _first_ephemeral()
    for protocol, table, state in _TABLES:
        for address, port in _open(proc / table, state):
            is_client = protocol == "udp" and port >= first_ephemeral
            if not is_client and (address.is_unspecified or address in addresses):
                found.add((port, protocol))
    return [f"{protocol}/{port}" for port, protocol in sorted(found)[:MOST]]


def _open(table: Path, state: str) -> Iterator[tuple[Address, int]]:
    """Listening sockets of TCP stand before all others, so that no connection has to be read."""
    try:
        with table.open() as lines:
            next(lines, None)
            for line in lines:
                _, local, _, found, *_ = line.split(maxsplit=4)
                if found == state:
                    yield _place(local)
                elif state == _LISTEN:
                    return
    except OSError:
        return


def _place(text: str) -> tuple[Address, int]:
    """An address of /proc: words in the machine's byte order, in hexadecimal."""
    shown, _, port = text.partition(":")
    words = [int(shown[start : start + 8], 16) for start in range(0, len(shown), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    found: Address = ipaddress.ip_address(packed)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found, int(port, 16)


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768
