"""Whether a packet passes, by the same policies, pods and selectors as the rules in the kernel (pure).

For those who ask without sending anything: `ph policy test`. It reads no chain, so that it and the rules can be compared.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pilothouse.network.policy import chains
from pilothouse.network.policy.config import Address, NetworkPolicyConfig
from pilothouse.network.policy.rules import ACCEPT, DENY, PASS, Block, Policy, Port, Rule
from pilothouse.network.policy.units import Group
from pilothouse.network.policy.world import DIRECTIONS, World

WITH_PORTS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class Packet:
    """The first one of a connection. port: 0 for protocols without ports."""

    source: str
    target: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """direction, policies, rule: who decided; none when nobody objects. would: who would refuse it, but is in rehearsal."""

    passes: bool
    direction: str = ""
    policies: tuple[str, ...] = ()
    rule: str = ""
    would: tuple[str, ...] = ()


def judge(world: World, config: NetworkPolicyConfig, packet: Packet) -> Judgement:
    """Of pods of the world's node; what others are judged by, their own nodes know."""
    if packet.source == packet.target:
        return Judgement(True)
    would: list[str] = []
    allowing = Judgement(True)
    for direction in reversed(DIRECTIONS):
        group = world.group_of((direction, packet.source if direction == "egress" else packet.target))
        if group is None:
            continue
        found = _Direction(world, config, packet, group).decide(would)
        if not found.passes:
            return Judgement(False, found.direction, found.policies, found.rule, tuple(would))
        allowing = found if found.policies else allowing
    return Judgement(True, allowing.direction, allowing.policies, allowing.rule, tuple(would))


@dataclass(frozen=True, slots=True)
class _Direction:
    world: World
    config: NetworkPolicyConfig
    packet: Packet
    group: Group

    def decide(self, would: list[str]) -> Judgement:
        """would: is told who would refuse it."""
        group = self.group
        if (found := self._tier(group.admin, would)) is not None:
            return found
        if group.policies:
            allowing = [policy.key for policy, rule in self._rules(group.policies) if self._matches(rule)]
            return self._judgement(bool(allowing), tuple(allowing[:1]) or group.policies)
        if group.rehearsed and not any(self._matches(rule) for _, rule in self._rules(group.rehearsed)):
            would += group.rehearsed
        return self._tier(group.baseline, would) or Judgement(True)

    def _tier(self, keys: Iterable[str], would: list[str]) -> Judgement | None:
        """None: it leaves the decision to those that come after it."""
        for policy in self._known(keys):
            rule = next((rule for rule in policy.rules(self.group.direction) or () if self._matches(rule)), None)
            if rule is None:
                continue
            if policy.is_rehearsed:
                would += [policy.key] if rule.action == DENY else []
            elif rule.action == PASS:
                return None
            else:
                return self._judgement(rule.action == ACCEPT, (policy.key,), rule.name)
        return None

    def _judgement(self, passes: bool, policies: tuple[str, ...], rule: str = "") -> Judgement:
        return Judgement(passes, self.group.direction, policies, rule)

    def _known(self, keys: Iterable[str]) -> Iterator[Policy]:
        return (policy for policy in map(self.world.policy, keys) if policy is not None)

    def _rules(self, keys: Iterable[str]) -> Iterator[tuple[Policy, Rule]]:
        for policy in self._known(keys):
            yield from ((policy, rule) for rule in policy.rules(self.group.direction) or ())

    def _matches(self, rule: Rule) -> bool:
        packet, egress = self.packet, self.group.direction == "egress"
        if egress and packet.target in self.config.dns_addresses and packet.protocol in WITH_PORTS:
            labels = self.world.dns_labels()
            if packet.port == self.config.dns_port and chains.opens_dns(rule, packet.protocol, packet.port, labels):
                return True
        return self._is_meant(rule, packet.target if egress else packet.source) and self._has_port(rule)

    def _is_meant(self, rule: Rule, address: str) -> bool:
        if rule.is_for_everybody:
            return True
        found = ipaddress.ip_address(address)
        if any(_is_in(found, block) for block in rule.blocks or ()):
            return True
        if any(address in self.world.addresses_of(nodes) for nodes in rule.nodes):
            return True
        facts = self.world.owner(address)
        if facts is None:
            return False
        labels: Mapping[str, str] = self.world.labels(facts.namespace)
        return any(peers.match(facts.namespace, labels, facts.labels) for peers in rule.peers or ())

    def _has_port(self, rule: Rule) -> bool:
        return not rule.ports or any(self._is_port(port) for port in rule.ports)

    def _is_port(self, port: Port) -> bool:
        packet = self.packet
        if port.protocol not in ("", packet.protocol) or packet.protocol not in WITH_PORTS:
            return False
        if not port.name:
            return not port.first or port.first <= packet.port <= port.last
        target = self.world.owner(packet.target)
        return target is not None and (packet.protocol, port.name, packet.port) in target.ports


def _is_in(address: Address, block: Block) -> bool:
    return address in ipaddress.ip_network(block.network) and not any(address in ipaddress.ip_network(cut) for cut in block.without)
