"""The nftables rules of a node's pods: the way out, ports of the host that lead in, what stays closed. Pure text."""

from collections.abc import Sequence

from pilothouse.network.pod.cni import PortMapping

ANY_ADDRESS, ONE_ADDRESS, SELF = "host-ports", "host-ports-at", "self"


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
        # The bridge routes packets of the loopback network (for host ports on 127.0.0.1): none may come from a pod.
        *_chain(name, "guard", "type filter hook prerouting priority -300", (f'iifname "{bridge}" ip daddr 127.0.0.0/8 drop',)),
    )
    return "\n".join((f"add table ip {name}", *maps, *chains)) + "\n"


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


def delete_table(name: str) -> str:
    """Right also when there is no such table."""
    return f"add table ip {name}\ndelete table ip {name}\n"


def _map(port: PortMapping) -> str:
    return ONE_ADDRESS if port.host_address else ANY_ADDRESS


def _key(port: PortMapping) -> str:
    return " . ".join(part for part in (port.host_address, port.protocol, str(port.host_port)) if part)
