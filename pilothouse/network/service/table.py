"""What is in a table of nftables without any service: hooks, maps and the way out. Pure text."""

from collections.abc import Iterable, Iterator, Sequence

from pilothouse.network.service.chains import (
    ALLOWED,
    ENDPOINTS,
    MASQUERADE_MARK,
    NODE_ADDRESSES,
    NODE_PORT_ENDPOINTS,
    NODE_PORT_PICKS,
    PICKS,
    REFUSE,
)
from pilothouse.network.service.config import FamilyConfig
from pilothouse.network.service.family import Family

FRONTENDS, NODE_PORTS, CHAINS, SELF = "frontends", "node-ports", "chains", "self"
SERVICES = "services"
_BATCH = 500


def elements(verb: str, family: Family, table: str, name: str, shown: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(shown), _BATCH):
        yield f"{verb} element {family.name} {table} {name} {{ {', '.join(shown[start : start + _BATCH])} }}"


def removed(family: Family, table: str) -> tuple[str, str]:
    """Right also when there is no such table."""
    return f"add table {family.name} {table}", f"delete table {family.name} {table}"


def frame(config: FamilyConfig, node_addresses: Iterable[str]) -> Iterator[str]:
    """node_addresses: where node ports answer; those of other families are passed over."""
    table = f"{config.family.name} {config.table}"
    address = config.family.address_type
    yield f"add table {table}"
    yield f"add map {table} {FRONTENDS} {{ type {address} . inet_proto . inet_service : classid; }}"
    yield f"add map {table} {NODE_PORTS} {{ type inet_proto . inet_service : classid; }}"
    yield f"add map {table} {CHAINS} {{ type classid : verdict; }}"
    yield f"add map {table} {ENDPOINTS} {{ type {address} . inet_proto . inet_service . classid : {address} . inet_service; }}"
    yield f"add map {table} {NODE_PORT_ENDPOINTS} {{ type inet_proto . inet_service . classid : {address} . inet_service; }}"
    yield f"add map {table} {PICKS} {{ type {address} . inet_proto . inet_service . classid : classid; }}"
    yield f"add map {table} {NODE_PORT_PICKS} {{ type inet_proto . inet_service . classid : classid; }}"
    yield f"add set {table} {ALLOWED} {{ type {address} . inet_proto . inet_service . {address}; flags interval; }}"
    yield f"add set {table} {NODE_ADDRESSES} {{ type {address}; }}"
    yield f"add set {table} {SELF} {{ type {address} . {address}; }}"
    yield from elements("add", config.family, config.table, NODE_ADDRESSES, list(config.family.of(node_addresses)))
    yield from _chain(table, REFUSE, "", ["meta l4proto tcp reject with tcp reset", "reject"])
    yield from _chain(table, SERVICES, "", _dispatch(config))
    yield from _chain(table, "arrive", "type nat hook prerouting priority -100", [f"jump {SERVICES}"])
    yield from _chain(table, "depart", "type nat hook output priority -100", [f"jump {SERVICES}"])
    yield from _chain(table, "leave", "type nat hook postrouting priority 100", _masquerade(config))


def _dispatch(config: FamilyConfig) -> Iterator[str]:
    name = config.family.name
    # One rule each: what is in no map goes on with the next one.
    yield f"meta priority set {name} daddr . meta l4proto . th dport map @{FRONTENDS} meta priority vmap @{CHAINS}"
    yield f"{name} daddr @{NODE_ADDRESSES} meta priority set meta l4proto . th dport map @{NODE_PORTS} meta priority vmap @{CHAINS}"
    for cidr in config.service_cidrs:
        yield f"{name} daddr {cidr} goto {REFUSE}"


def _masquerade(config: FamilyConfig) -> Iterator[str]:
    """Who must get the answer back from this node rather than straight from the endpoint."""
    name = config.family.name
    yield f'oifname != "lo" ct status dnat {name} saddr . {name} daddr @{SELF} masquerade'
    if config.family.version == 4:
        # IPv6 has no way for packets of ::1 to leave the loopback interface.
        yield f'oifname != "lo" ip saddr 127.0.0.0/8 ip daddr {config.local} masquerade'
    yield f'oifname != "lo" meta mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} {name} daddr != {config.local} masquerade'


def _chain(table: str, name: str, hook: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"add chain {table} {name}" + (f" {{ {hook}; policy accept; }}" if hook else "")
    yield from (f"add rule {table} {name} {rule}" for rule in rules)
