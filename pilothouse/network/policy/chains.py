"""The lines of chains: of each policy one in each direction, of each group of pods one that asks those of its policies. Pure text.

A line that allows ends with `accept`, which ends the judgement in this direction; the last line of a group drops and counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.policy import Block, Policy, Port, Rule

ALLOW, REFUSE = "accept", "counter drop"
DNS_NAMESPACE, DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
"""Whom policies name to let pods ask for names: the pods that run DNS elsewhere. Here it is each node's own server."""


def lines(policy: Policy, direction: str, config: NetworkPolicyConfig, dns_namespace: Mapping[str, str]) -> tuple[str, ...]:
    """What the policy allows. direction: ingress or egress. dns_namespace: labels of the namespace in which DNS runs elsewhere."""
    found = [line for rule in policy.rules(direction) or () for line in _rule(rule, direction, config, dns_namespace)]
    return tuple(dict.fromkeys(found))


def of_group(chains: Iterable[str]) -> tuple[str, ...]:
    """chains: of the policies that hold for the pods."""
    return (*(f"jump {chain}" for chain in chains), REFUSE)


def port_set(protocol: str, name: str) -> str:
    """The set of the addresses and ports of all pods that have a port of this name. Names are label values of at most 15 characters."""
    return f"port-{protocol}-{name}"


def _rule(rule: Rule, direction: str, config: NetworkPolicyConfig, dns_namespace: Mapping[str, str]) -> Iterator[str]:
    field = "ip saddr" if direction == "ingress" else "ip daddr"
    ports = list(_ports(rule.ports))
    for who in _who(rule, field):
        yield from (" ".join(filter(None, (who, port, ALLOW))) for port in ports)
    if direction == "egress" and any(_means_dns(rule, dns_namespace)):
        yield from _dns(rule, config)


def _who(rule: Rule, field: str) -> Iterator[str]:
    if rule.peers is None or rule.blocks is None:
        yield ""
        return
    yield from (f"{field} @{peers.name}" for peers in rule.peers)
    plain = [block.network for block in rule.blocks if not block.without and ":" not in block.network]
    if plain:
        yield f"{field} {_set(_merged(plain))}"
    yield from (f"{field} {block.network} {field} != {_set(block.without)}" for block in rule.blocks if _is_cut(block))


def _is_cut(block: Block) -> bool:
    return bool(block.without) and ":" not in block.network


def _merged(networks: Sequence[str]) -> list[str]:
    """No network of a set may lie in another one."""
    import ipaddress

    return [str(each) for each in ipaddress.collapse_addresses(ipaddress.IPv4Network(network) for network in networks)]


def _set(values: Iterable[str]) -> str:
    return f"{{ {', '.join(values)} }}"


def _ports(ports: Sequence[Port]) -> Iterator[str]:
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
            yield f"ip daddr . meta l4proto . th dport @{port_set(protocol, name)}"


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


def _dns(rule: Rule, config: NetworkPolicyConfig) -> Iterator[str]:
    for protocol in ("udp", "tcp"):
        if not rule.ports or any(_has(port, protocol, config.dns_port) for port in rule.ports):
            yield f"ip daddr {config.dns_address} {protocol} dport {config.dns_port} {ALLOW}"


def _has(port: Port, protocol: str, number: int) -> bool:
    if port.protocol != protocol:
        return False
    if port.name:
        return port.name in ("dns", "dns-tcp")
    return not port.first or port.first <= number <= port.last
