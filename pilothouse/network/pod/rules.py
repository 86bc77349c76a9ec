"""The nftables rules of a node's pods: the way out, ports of the host that lead in, what stays closed. Pure text.

Two tables of the same name: that of family `ip` translates, that of family `bridge` looks at each frame before the bridge does. From a
pod's port the bridge takes IPv4 and ARP alone, only to the host, and only from the pod's own addresses. So a pod can neither answer for
another one nor send in its name, nor reach a neighbour past the host's rules.
"""

from collections.abc import Iterable, Sequence

from pilothouse.network.pod.addresses import Lease, mac_of
from pilothouse.network.pod.cni import PortMapping

ANY_ADDRESS, ONE_ADDRESS, SELF = "host-ports", "host-ports-at", "self"
PORTS, SENDERS, FRAMES = "ports", "senders", "frames"
_BATCH = 500


def table(name: str, bridge: str, pod_cidr: str, cluster_cidr: str, local: str) -> str:
    """Commands that bring the table to its wanted state and keep the ports of pods that run.

    local: the match for packets to this host, see `LOCAL` and `local_by_address`.
    """
    maps = (
        f"add map ip {name} {ANY_ADDRESS} {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}",
        f"add map ip {name} {ONE_ADDRESS} {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}",
        f"add set ip {name} {SELF} {{ type ipv4_addr . ipv4_addr; }}",
    )
    enter = (
        f"meta l4proto {{ tcp, udp }} dnat ip to ip daddr . meta l4proto . th dport map @{ONE_ADDRESS}",
        f"{local} meta l4proto {{ tcp, udp }} dnat ip to meta l4proto . th dport map @{ANY_ADDRESS}",
    )
    leave = (
        f"ip saddr . ip daddr @{SELF} masquerade",
        f'oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade',
        f'oifname != "{bridge}" ip saddr {pod_cidr} ip daddr != {{ {cluster_cidr}, 224.0.0.0/4 }} masquerade',
    )
    chains = (
        *_chain(name, "enter", "", enter),
        *_chain(name, "arrive", "type nat hook prerouting priority -100", ("jump enter",)),
        *_chain(name, "depart", "type nat hook output priority -100", ("jump enter",)),
        *_chain(name, "leave", "type nat hook postrouting priority 100", leave),
        *_chain(name, "guard", "type filter hook prerouting priority -300", _guard(bridge, pod_cidr)),
    )
    return "\n".join((f"add table ip {name}", *maps, *chains)) + "\n"


def _guard(bridge: str, pod_cidr: str) -> Sequence[str]:
    # The bridge routes packets of the loopback network (for host ports on 127.0.0.1): none may come from a pod.
    loopback = f'iifname "{bridge}" ip daddr 127.0.0.0/8 drop'
    # Whose address exactly a pod may use is known by the table of family `bridge`, which not every kernel takes.
    return loopback, f'iifname "{bridge}" ip saddr != {pod_cidr} drop'


def frames(name: str, gateway: str, leases: Iterable[Lease]) -> str:
    """Commands that bring the table of family `bridge` to its wanted state, in one step. leases: those of all pods."""
    known = list(leases)
    mac = mac_of(gateway)
    honest_arp = f"iifname . ether saddr . arp saddr ip @{SENDERS} iifname . arp saddr ether . arp saddr ip @{SENDERS}"
    lines = [
        f"add table bridge {name}",
        f"add set bridge {name} {PORTS} {{ type ifname; }}",
        f"add set bridge {name} {SENDERS} {{ type ifname . ether_addr . ipv4_addr; }}",
        f"add chain bridge {name} {FRAMES} {{ type filter hook prerouting priority -300; policy accept; }}",
        *(f"flush {kind} bridge {name} {what}" for kind, what in (("set", PORTS), ("set", SENDERS), ("chain", FRAMES))),
        f"add rule bridge {name} {FRAMES} iifname != @{PORTS} accept",
        f"add rule bridge {name} {FRAMES} ether daddr {mac} iifname . ether saddr . ip saddr @{SENDERS} accept",
        f"add rule bridge {name} {FRAMES} arp daddr ip {gateway} {honest_arp} accept",
        f"add rule bridge {name} {FRAMES} ether daddr {mac} {honest_arp} accept",
        f"add rule bridge {name} {FRAMES} drop",
    ]
    for start in range(0, len(known), _BATCH):
        lines += _senders("add", name, known[start : start + _BATCH])
    return "\n".join(lines) + "\n"


def admit(name: str, lease: Lease) -> str:
    """What comes in by the lease's link is the pod's, and held to its addresses. The link need not be there yet."""
    return "\n".join(_senders("add", name, [lease])) + "\n"


def dismiss(name: str, lease: Lease) -> str:
    """Right whether the lease was admitted or not."""
    return "\n".join([*_senders("add", name, [lease]), *_senders("delete", name, [lease])]) + "\n"


def _senders(verb: str, name: str, leases: Sequence[Lease]) -> list[str]:
    links = ", ".join(f'"{lease.link}"' for lease in leases)
    senders = ", ".join(f'"{lease.link}" . {mac_of(lease.address)} . {lease.address}' for lease in leases)
    return [f"{verb} element bridge {name} {PORTS} {{ {links} }}", f"{verb} element bridge {name} {SENDERS} {{ {senders} }}"]


LOCAL = "fib daddr type local"


def local_by_address(addresses: Sequence[str]) -> str:
    """For kernels without the fib lookup."""
    return f"ip daddr {{ {', '.join(addresses)} }}"


def _chain(table: str, name: str, hook: str, rules: Sequence[str]) -> list[str]:
    declared = f"add chain ip {table} {name}" + (f" {{ {hook}; policy accept; }}" if hook else "")
    return [declared, f"flush chain ip {table} {name}", *(f"add rule ip {table} {name} {rule}" for rule in rules)]


def open_ports(name: str, address: str, ports: Sequence[PortMapping]) -> str:
    lines = [f"add element ip {name} {_map(port)} {{ {_key(port)} : {address} . {port.container_port} }}" for port in ports]
    return "\n".join((*lines, f"add element ip {name} {SELF} {{ {address} . {address} }}")) + "\n"


def close_ports(name: str, address: str, ports: Sequence[PortMapping]) -> str:
    """Adding before deleting makes this right whether the elements are there or not."""
    element = f"{SELF} {{ {address} . {address} }}"
    pairs = [
        *((f"{_map(port)} {{ {_key(port)} : {address} . {port.container_port} }}", f"{_map(port)} {{ {_key(port)} }}") for port in ports)
    ]
    lines = [
        f"{verb} element ip {name} {what}"
        for add, delete in (*pairs, (element, element))
        for verb, what in (("add", add), ("delete", delete))
    ]
    return "\n".join(lines) + "\n"


def delete_table(name: str, family: str = "ip") -> str:
    """Right also when there is no such table."""
    return f"add table {family} {name}\ndelete table {family} {name}\n"


def _map(port: PortMapping) -> str:
    return ONE_ADDRESS if port.host_address else ANY_ADDRESS


def _key(port: PortMapping) -> str:
    return " . ".join(part for part in (port.host_address, port.protocol, str(port.host_port)) if part)
