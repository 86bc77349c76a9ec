"""What the kernel tells of a packet that it traces, as values. Pure.

Source: linux/netfilter/nf_tables.h (NFT_MSG_TRACE, NFTA_TRACE_*, verdict codes), RFC 791, RFC 8200, RFC 9293.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.linux.netlink import attributes, messages

TRACE_MESSAGE = (10 << 8) | 17
"""Subsystem nftables, message NFT_MSG_TRACE."""
_TABLE, _CHAIN, _HANDLE, _KIND, _VERDICT, _ID = 1, 2, 3, 4, 5, 6
_NETWORK, _TRANSPORT, _IIF, _OIF, _POLICY = 8, 9, 10, 12, 16
_KINDS = {1: "policy", 2: "return", 3: "rule"}
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", -1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
_NFGEN_BYTES = 4
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
PROTOCOL_NUMBERS = {name: number for number, name in _PROTOCOLS.items()}


@dataclass(frozen=True, slots=True)
class Flow:
    """Addresses and ports of a packet as it is where it is told of."""

    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int


@dataclass(frozen=True, slots=True)
class Step:
    """packet: the same number for all steps of a packet. kind: rule, policy (of a chain) or return.

    verdict: accept, drop, continue, `jump CHAIN`, `goto CHAIN` and so on. handle: of the rule. flow: told at the first step in a hook.
    """

    packet: int
    family: str
    table: str
    chain: str
    kind: str
    verdict: str
    handle: int = 0
    flow: Flow | None = None
    iif: int = 0
    oif: int = 0


def steps(datagram: bytes) -> Iterator[Step]:
    """Those of a datagram from the kernel; what is no such message, or is of another shape, is passed over."""
    for kind, _, body in messages(datagram):
        if kind == TRACE_MESSAGE and len(body) >= _NFGEN_BYTES:
            try:
                yield _step(body[0], dict(attributes(body[_NFGEN_BYTES:])))
            except (struct.error, KeyError, ValueError):
                continue


def _step(family: int, found: dict[int, bytes]) -> Step:
    verdict = _verdict(found[_VERDICT]) if _VERDICT in found else ""
    if not verdict and _POLICY in found:
        verdict = _VERDICTS.get(_number(found[_POLICY]), "")
    return Step(
        packet=_number(found[_ID]),
        family=_FAMILIES.get(family, str(family)),
        table=_text(found[_TABLE]),
        chain=_text(found[_CHAIN]),
        kind=_KINDS[_number(found[_KIND])],
        verdict=verdict,
        handle=struct.unpack("!Q", found[_HANDLE])[0] if _HANDLE in found else 0,
        flow=_flow(found[_NETWORK], found.get(_TRANSPORT, b"")) if _NETWORK in found else None,
        iif=_number(found[_IIF]) if _IIF in found else 0,
        oif=_number(found[_OIF]) if _OIF in found else 0,
    )


def _verdict(data: bytes) -> str:
    parts = dict(attributes(data))
    (code,) = struct.unpack("!i", parts[1])
    name = _VERDICTS.get(code & 0xFFFF if code > 0 else code, str(code))
    return f"{name} {_text(parts[2])}" if 2 in parts else name


def _flow(network: bytes, transport: bytes) -> Flow | None:
    if not network:
        return None
    if network[0] >> 4 == 4 and len(network) >= 20:
        protocol, source, destination = network[9], network[12:16], network[16:20]
    elif network[0] >> 4 == 6 and len(network) >= 40:
        protocol, source, destination = network[6], network[8:24], network[24:40]
    else:
        return None
    ports = struct.unpack("!HH", transport[:4]) if len(transport) >= 4 else (0, 0)
    name = _PROTOCOLS.get(protocol, str(protocol))
    return Flow(name, str(ipaddress.ip_address(source)), ports[0], str(ipaddress.ip_address(destination)), ports[1])


def _number(data: bytes) -> int:
    return int.from_bytes(data[:4], "big")


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")
