"""The nftables rules of a node's pods: the way out, ports of the host that lead in, what stays closed. Pure text.

A table of each family, of the same name. The links of pods are known by their group (`PodNetworkConfig.group`), so that a pod that comes
or goes changes no rule. From such a link only packets pass whose source the kernel would send back through it, which are those of the pod's
own addresses, for each has a route of its own: no pod sends in another's name, nor a router's advertisements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.network.pod.cni import PortMapping
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import IPV4, Family, family_of

ANY_ADDRESS, ONE_ADDRESS, SELF = "host-ports", "host-ports-at", "self"
LOCAL, HONEST = "fib daddr type local", "fib saddr . iif oif missing drop"
GUARD = "guard"


@dataclass(frozen=True, slots=True)
class Matches:
    """How packets to this host are told from others, and packets with a pod's own source: see `LOCAL` and `HONEST`."""

    local: str = LOCAL
    honest: str = HONEST

    @classmethod
    def by_address(cls, family: Family, addresses: Sequence[str], cidrs: Sequence[str]) -> "Matches":
        """For kernels without the fib lookup. addresses: all of the host; cidrs: of its pods."""
        return cls(f"{family.nft} daddr {_set(addresses)}", f"{family.nft} saddr != {_set(cidrs)} drop")


def table(config: PodNetworkConfig, family: Family, matches: Matches) -> str:
    """Commands that bring the table to its wanted state and keep the ports of pods that run."""
    name = config.table
    lines = [f"add table {family.nft} {name}"]
    for chain, hook, rules in _chains(config, family, matches) if config.gateway_of(family) else _shut(config):
        lines += _chain(family, name, chain, hook, rules)
    maps = _maps(family, name) if config.gateway_of(family) else []
    return "\n".join([lines[0], *maps, *lines[1:]]) + "\n"


Chain = tuple[str, str, Sequence[str]]
"""Name, hook or "", rules."""


def _maps(family: Family, name: str) -> list[str]:
    target = f"{family.type} . inet_service"
    return [
        f"add map {family.nft} {name} {ANY_ADDRESS} {{ type inet_proto . inet_service : {target}; }}",
        f"add map {family.nft} {name} {ONE_ADDRESS} {{ type {family.type} . inet_proto . inet_service : {target}; }}",
        f"add set {family.nft} {name} {SELF} {{ type {family.type} . {family.type}; }}",
    ]


def _chains(config: PodNetworkConfig, family: Family, matches: Matches) -> list[Chain]:
    ip, gateway, ports = family.nft, config.gateway_of(family), "meta l4proto { tcp, udp } dnat"
    own, cluster = family.of(config.pod_cidrs), family.of(config.cluster_cidrs or config.pod_cidrs)
    enter = [
        f"{ports} {ip} to {ip} daddr . meta l4proto . th dport map @{ONE_ADDRESS}",
        f"{matches.local} {ports} {ip} to meta l4proto . th dport map @{ANY_ADDRESS}",
    ]
    if family is IPV4:
        # A pod that speaks to its default gateway means its host. For IPv6 it would do so from an address that only its link knows.
        enter.append(f"meta iifgroup {config.group} ip daddr {family.next_hop} dnat to {gateway}")
    leave = [
        f"{ip} saddr . {ip} daddr @{SELF} snat to {gateway}",
        *([f"meta oifgroup {config.group} ip saddr 127.0.0.0/8 snat to {gateway}"] if family is IPV4 else []),
        f"meta oifgroup != {config.group} {ip} saddr {_set(own)} {ip} daddr != {_set([*cluster, family.beyond])} masquerade",
    ]
    # Pods' links route packets of the loopback network (for host ports on 127.0.0.1): none may come from a pod.
    loopback = [f"meta iifgroup {config.group} ip daddr 127.0.0.0/8 drop"] if family is IPV4 else []
    return [
        ("enter", "", enter),
        ("arrive", "type nat hook prerouting priority -100", ["jump enter"]),
        ("depart", "type nat hook output priority -100", ["jump enter"]),
        ("leave", "type nat hook postrouting priority 100", leave),
        (GUARD, _GUARD_HOOK, [*loopback, f"meta iifgroup {config.group} {matches.honest}"]),
    ]


_GUARD_HOOK = "type filter hook prerouting priority -300"


def _shut(config: PodNetworkConfig) -> list[Chain]:
    """Pods have no address of the family: what they send in it is somebody else's."""
    return [(GUARD, _GUARD_HOOK, [f"meta iifgroup {config.group} drop"])]


def _chain(family: Family, table: str, name: str, hook: str, rules: Sequence[str]) -> list[str]:
    declared = f"add chain {family.nft} {table} {name}" + (f" {{ {hook}; policy accept; }}" if hook else "")
    return [declared, f"flush chain {family.nft} {table} {name}", *(f"add rule {family.nft} {table} {name} {rule}" for rule in rules)]


def _set(values: Sequence[str]) -> str:
    return f"{{ {', '.join(values)} }}"


def open_ports(name: str, address: str, ports: Sequence[PortMapping]) -> str:
    """ports: those that can lead to an address of this family, see `ports_to`."""
    ip = family_of(address).nft
    lines = [f"add element {ip} {name} {_map(port)} {{ {_key(port)} : {address} . {port.container_port} }}" for port in ports]
    return "\n".join((*lines, f"add element {ip} {name} {SELF} {{ {address} . {address} }}")) + "\n"


def close_ports(name: str, address: str, ports: Sequence[PortMapping]) -> str:
    """Adding before deleting makes this right whether the elements are there or not."""
    ip, element = family_of(address).nft, f"{SELF} {{ {address} . {address} }}"
    pairs = [
        *((f"{_map(port)} {{ {_key(port)} : {address} . {port.container_port} }}", f"{_map(port)} {{ {_key(port)} }}") for port in ports)
    ]
    lines = [
        f"{verb} element {ip} {name} {what}"
        for add, delete in (*pairs, (element, element))
        for verb, what in (("add", add), ("delete", delete))
    ]
    return "\n".join(lines) + "\n"


def ports_to(address: str, ports: Sequence[PortMapping]) -> tuple[PortMapping, ...]:
    """Those that can lead to the pod's address: translation stays within a family."""
    return tuple(port for port in ports if not port.host_address or family_of(port.host_address) is family_of(address))


def delete_table(name: str, family: str = "ip") -> str:
    """Right also when there is no such table."""
    return f"add table {family} {name}\ndelete table {family} {name}\n"


def _map(port: PortMapping) -> str:
    return ONE_ADDRESS if port.host_address else ANY_ADDRESS


def _key(port: PortMapping) -> str:
    return " . ".join(part for part in (port.host_address, port.protocol, str(port.host_port)) if part)
