"""Lines of chains: what a rule of a policy matches, in each family that pods have, and what becomes of it. Pure text.

A line that matches is `<who> <which ports> <verdict>`. Names that users choose reach it only inside digests and sets' elements.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pilothouse.network.policy.config import Family, NetworkPolicyConfig
from pilothouse.network.policy.rules import Port, Rule

DNS_NAMESPACE, DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
"""Whom policies name to let pods ask for names: the pods that run DNS elsewhere. Here it is each node's own server."""
_PLAIN_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")


def lines(rule: Rule, direction: str, verdict: str, config: NetworkPolicyConfig, dns_namespace: Mapping[str, str]) -> Iterator[str]:
    """direction: ingress or egress. dns_namespace: labels of the namespace in which DNS runs elsewhere."""
    for family in config.families:
        field = f"{family.field} {'saddr' if direction == 'ingress' else 'daddr'}"
        ports = list(_ports(rule.ports, family))
        for who in _who(rule, field, family):
            yield from (" ".join(filter(None, (who, port, verdict))) for port in ports)
    if direction == "egress" and any(_means_dns(rule, dns_namespace)):
        yield from _dns(rule, verdict, config)


def port_set(protocol: str, name: str) -> str:
    """The set of the addresses and ports of all pods that have a port of this name. protocol "": of any."""
    shown = name if _PLAIN_NAME.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"port-{protocol or 'any'}-{shown}"


def _who(rule: Rule, field: str, family: Family) -> Iterator[str]:
    if rule.is_for_everybody:
        yield ""
        return
    names = [peers.name for peers in rule.peers or ()] + [nodes.name for nodes in rule.nodes]
    yield from (f"{field} @{name}{family.suffix}" for name in names)
    blocks = [block for block in rule.blocks or () if family.has(block.network)]
    if plain := [block.network for block in blocks if not block.without]:
        yield f"{field} {_set(_merged(plain, family))}"
    yield from (f"{field} {block.network} {field} != {_set(block.without)}" for block in blocks if block.without)


def _merged(networks: Sequence[str], family: Family) -> list[str]:
    """No network of a set may lie in another one."""
    if family.version == 4:
        return [str(each) for each in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, networks))]
    return [str(each) for each in ipaddress.collapse_addresses(map(ipaddress.IPv6Network, networks))]


def _set(values: Iterable[str]) -> str:
    return f"{{ {', '.join(values)} }}"


def _ports(ports: Sequence[Port], family: Family) -> Iterator[str]:
    """A match for each protocol with numbers, and one for each name; "" for all."""
    if not ports:
        yield ""
    for protocol in dict.fromkeys(port.protocol for port in ports):
        own = [port for port in ports if port.protocol == protocol]
        if any(not port.first and not port.name for port in own):
            yield f"meta l4proto {protocol}"
            continue
        if numbers := _spans([(port.first, port.last) for port in own if port.first]):
            yield f"{protocol} dport {_set(numbers)}"
        for name in dict.fromkeys(port.name for port in own if port.name):
            yield f"{family.field} daddr . meta l4proto . th dport @{port_set(protocol, name)}{family.suffix}"


def _spans(spans: Iterable[tuple[int, int]]) -> list[str]:
    """Ranges without overlap, as nft wants them."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return [str(first) if first == last else f"{first}-{last}" for first, last in merged]


def _means_dns(rule: Rule, dns_namespace: Mapping[str, str]) -> Iterator[bool]:
    """Whether each of its peers means the cluster's DNS, had it pods."""
    for peers in rule.peers or ():
        yield peers.match(DNS_NAMESPACE, dns_namespace, DNS_LABELS)


def _dns(rule: Rule, verdict: str, config: NetworkPolicyConfig) -> Iterator[str]:
    for protocol in ("udp", "tcp"):
        if not rule.ports or any(_has(port, protocol, config.dns_port) for port in rule.ports):
            for address in config.dns_addresses:
                yield f"{'ip6' if ':' in address else 'ip'} daddr {address} {protocol} dport {config.dns_port} {verdict}"


def opens_dns(rule: Rule, protocol: str, port: int, dns_namespace: Mapping[str, str]) -> bool:
    """Whether the rule means the cluster's DNS on this port."""
    has_port = not rule.ports or any(_has(each, protocol, port) for each in rule.ports)
    return has_port and any(_means_dns(rule, dns_namespace))


def _has(port: Port, protocol: str, number: int) -> bool:
    if port.protocol not in ("", protocol):
        return False
    if port.name:
        return port.name in ("dns", "dns-tcp")
    return not port.first or port.first <= number <= port.last
