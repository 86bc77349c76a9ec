"""What the service proxy needs of the kernel. Everything here blocks: call it in one thread, always the same."""

import contextlib
import socket
import struct
from collections.abc import Collection, Mapping
from heapq import nlargest
from pathlib import Path

import structlog

from pilothouse.linux.netlink import DONE, DUMP, ERROR, REQUEST, attributes, message, messages
from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.linux.nft_state import NftState
from pilothouse.network.service.book import Client
from pilothouse.network.service.chains import ENDPOINTS, LOCAL_BASE, NODE_PORT_ENDPOINTS
from pilothouse.network.service.config import FamilyConfig, ServiceProxyConfig
from pilothouse.network.service.family import FAMILIES, IPV4, Family
from pilothouse.network.service.plan import Where
from pilothouse.network.service.table import removed

log = structlog.get_logger("network.service")
MOST_REMEMBERED = 100_000
"""Clients over all sets that a new table takes over, those with the most time left; it is written in one transaction."""
ADDRESS_BYTES = {4: 4, 6: 16}
_PROTOCOLS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", socket.IPPROTO_SCTP: "sctp"}
SCTP_TRACKING = Path("/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established")
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_ADDRESS, _LOCAL = 1, 2
_RECEIVE_BYTES = 1 << 18
_DEADLINE_S = 5.0


def remembered_clients(state: NftState, config: FamilyConfig, sets: Collection[str]) -> dict[str, list[Client]]:
    """What the sets of the present table hold. Empty when it cannot be read."""
    family, table = config.family, config.table
    try:
        elements = {name: state.elements(family.number, table, name) for name in sorted(sets)}
        if not any(elements.values()):
            return {}
        endpoints = {
            name: dict(each[:2] for each in state.elements(family.number, table, name)) for name in (ENDPOINTS, NODE_PORT_ENDPOINTS)
        }
    except OSError as error:
        log.warning("services forget which clients they knew", error=str(error))
        return {}
    latest = nlargest(MOST_REMEMBERED, ((each.left_ms or 0, name, each.key) for name, found in elements.items() for each in found))
    clients: dict[str, list[Client]] = {}
    for left_ms, name, key in latest:
        client = _client(family, key, left_ms // 1000, endpoints)
        if client is not None:
            clients.setdefault(name, []).append(client)
    return clients


def _client(family: Family, key: bytes, left_s: int, endpoints: Mapping[str, Mapping[bytes, bytes]]) -> Client | None:
    """key: source, destination, protocol, port, number of the endpoint; what follows the source is a key of `endpoints`, and for node ports
    what follows the destination. None for one whose endpoint has left."""
    bytes_ = ADDRESS_BYTES[family.version]
    place = endpoints[ENDPOINTS].get(key[bytes_:]) or endpoints[NODE_PORT_ENDPOINTS].get(key[2 * bytes_ :])
    if place is None:
        return None
    source, destination = (socket.inet_ntop(family.number, part) for part in (key[:bytes_], key[bytes_ : 2 * bytes_]))
    protocol, port, number = struct.unpack("=B3xH2xI", key[2 * bytes_ :])
    where = Where(destination, _PROTOCOLS[protocol], socket.ntohs(port))
    target = socket.inet_ntop(family.number, place[:bytes_]), int.from_bytes(place[bytes_ : bytes_ + 2])
    return Client(source, where, target, number >= LOCAL_BASE, left_s)


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
        "add set {1} {0} from {{ type {2} . inet_service . {2}; flags interval; }}",
        "sets of networks with addresses and ports (Linux 5.6)",
    ),
    (
        "add set {1} {0} known {{ type {2} . classid; size 9; flags dynamic,timeout; }}\n"
        "add rule {1} {0} nat update @known {{ {1} saddr . meta priority timeout 9s }} delete @known {{ {1} saddr . meta priority }}",
        "sets that rules fill and empty (CONFIG_NF_TABLES)",
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
