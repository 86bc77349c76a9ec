"""What the service proxy needs of the kernel. Everything here blocks: call it in one thread, always the same."""

import contextlib
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

import structlog

from pilothouse.linux.netlink import DONE, DUMP, ERROR, REQUEST, attributes, message, messages
from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.linux.nft_state import NftState
from pilothouse.network.service.config import FamilyConfig, ServiceProxyConfig
from pilothouse.network.service.family import FAMILIES, IPV4, Family
from pilothouse.network.service.table import removed

log = structlog.get_logger("network.service")
MOST_REMEMBERED = 100_000
"""Clients over all sets that a new table takes over, those with the most time left; it is written in one transaction."""
SCTP_TRACKING = Path("/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established")
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_ADDRESS, _LOCAL = 1, 2
_RECEIVE_BYTES = 1 << 18
_DEADLINE_S = 5.0


def remembered_clients(state: NftState, config: FamilyConfig, sets: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """What the sets of the present table hold: set -> client's address -> seconds that are left. Empty when it cannot be read."""
    try:
        found = {name: state.clients(config.family.number, config.table, name) for name in sets}
    except OSError as error:
        log.warning("services forget which clients they knew", error=str(error))
        return {}
    if sum(map(len, found.values())) <= MOST_REMEMBERED:
        return found
    clients = sorted(((left_s, name, address) for name, known in found.items() for address, left_s in known.items()), reverse=True)
    kept: dict[str, dict[str, int]] = {}
    for left_s, name, address in clients[:MOST_REMEMBERED]:
        kept.setdefault(name, {})[address] = left_s
    return kept


def remove(nft: Nft, table: str, family: Family) -> None:
    """Right also when there is no such table, or no such family."""
    with contextlib.suppress(NftFailure):
        nft.run("\n".join(removed(family, table)) + "\n")


def teardown(config: ServiceProxyConfig) -> None:
    """Take the tables away, if there are any."""
    nft = open_nft()
    nft.run("\n".join(removed(IPV4, config.table)) + "\n")
    for family in FAMILIES:
        if family != IPV4:
            remove(nft, config.table, family)


def translates_sctp() -> bool:
    """Whether connections of SCTP are tracked, and so translated (CONFIG_NF_CT_PROTO_SCTP)."""
    return SCTP_TRACKING.exists()


def own_addresses() -> tuple[str, ...]:
    """Of all interfaces, both families. Raises OSError."""
    found: dict[str, None] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_DEADLINE_S)
        netlink.send(message(_GET_ADDRESS, REQUEST | DUMP, 1, struct.pack("=BBBBI", socket.AF_UNSPEC, 0, 0, 0, 0)))
        while True:
            for kind, _, body in messages(netlink.recv(_RECEIVE_BYTES)):
                if kind in (DONE, ERROR):
                    return tuple(found)
                if kind == _NEW_ADDRESS:
                    parts = dict(attributes(body[8:]))
                    # Of a point-to-point link, the other one is the peer's.
                    value = parts.get(_LOCAL) or parts.get(_ADDRESS)
                    if value is not None:
                        found[socket.inet_ntop(body[0], value)] = None


PROBES = (
    ("add table {1} {0}", "nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4 or _IPV6), or root's rights"),
    ("add chain {1} {0} nat {{ type nat hook prerouting priority -100; }}", "address translation (CONFIG_NFT_NAT)"),
    (
        "add map {1} {0} to {{ type inet_proto . inet_service . classid : {2} . inet_service; }}\n"
        "add rule {1} {0} nat meta priority set numgen random mod 2\n"
        "add rule {1} {0} nat meta l4proto {{ tcp, udp, sctp }} dnat to meta l4proto . th dport . meta priority map @to",
        "numgen (CONFIG_NFT_NUMGEN)",
    ),
    (
        "add chain {1} {0} out {{ type nat hook postrouting priority 100; }}\nadd rule {1} {0} out masquerade",
        "masquerade (CONFIG_NFT_MASQ)",
    ),
    (
        "add chain {1} {0} refuse\nadd rule {1} {0} refuse meta l4proto tcp reject with tcp reset",
        "reject (CONFIG_NFT_REJECT)",
    ),
)


def missing(nft: Nft, table: str, family: Family = IPV4) -> str:
    """What the kernel lacks for a service proxy, in one sentence; "" when nothing."""
    commands = ""
    for probe, what in PROBES:
        commands += probe.format(table, family.name, family.address_type) + "\n"
        try:
            nft.check(commands)
        except NftFailure as failure:
            return f"services need {what}, which this kernel does not offer: {failure}"
    return ""
