"""Policies, pods and namespaces as the node sees them, and what follows from them for its rules (pure).

Invariant: after each call `sets`, `chains` and `verdicts` are what the policies ask for, and `changed` names what of them has
changed since it was taken. One pod costs a look at each selector; one policy a look at each pod.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.network.policy import chains
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.pods import PodFacts
from pilothouse.network.policy.policy import Peers, Policy

DIRECTIONS = ("ingress", "egress")

Where = tuple[str, str]
"""Direction, and the address of a pod of this node."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pods of this node that the same policies hold for, in one direction."""

    direction: str
    policies: tuple[str, ...]

    @property
    def chain(self) -> str:
        return f"{self.direction}-{hashlib.sha256(' '.join(self.policies).encode()).hexdigest()[:16]}"


@dataclass(slots=True)
class Changed:
    sets: set[str] = field(default_factory=set)
    chains: set[str] = field(default_factory=set)
    verdicts: set[Where] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.sets or self.chains or self.verdicts)


class World:
    """Owned by one task."""

    def __init__(self, config: NetworkPolicyConfig) -> None:
        self._config = config
        self._policies: dict[str, dict[str, Policy]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._pods: dict[str, PodFacts] = {}
        self._claims: dict[str, set[str]] = {}
        self._owners: dict[str, PodFacts] = {}
        self._peers: dict[str, dict[str, Peers]] = {}
        self._peer_uses: Counter[str] = Counter()
        self._port_uses: Counter[str] = Counter()
        self._groups: dict[Where, Group] = {}
        self._members: Counter[Group] = Counter()
        self._policy_uses: Counter[tuple[str, str]] = Counter()
        self.sets: dict[str, dict[str, None]] = {}
        self.chains: dict[str, tuple[str, ...]] = {}
        self.changed = Changed()

    @property
    def verdicts(self) -> Mapping[Where, str]:
        """The chain that judges packets to (ingress) or from (egress) a pod of this node; a pod that is not in it is open."""
        return {where: group.chain for where, group in self._groups.items()}

    def chain_of(self, where: Where) -> str | None:
        group = self._groups.get(where)
        return None if group is None else group.chain

    def take_changed(self) -> Changed:
        found, self.changed = self.changed, Changed()
        return found

    def has_policies(self, namespace: str) -> bool:
        return namespace in self._policies

    # Policies.

    def set_policy(self, key: str, policy: Policy | None) -> None:
        namespace = key.partition("/")[0]
        own = self._policies.setdefault(namespace, {})
        old = own.pop(key, None)
        if policy is not None:
            own[key] = policy
        elif not own:
            del self._policies[namespace]
        self._use_peers(old, policy)
        self._use_ports(old, policy)
        self._regroup(facts for facts in self._owners.values() if facts.namespace == namespace and self._is_here(facts))
        self._write_policy(key)

    def _use_peers(self, old: Policy | None, new: Policy | None) -> None:
        for peers in new.all_peers if new is not None else ():
            self._peer_uses[peers.name] += 1
            known = self._peers.setdefault(peers.own, {})
            if peers.name not in known:
                known[peers.name] = peers
                self._fill(peers)
        for peers in old.all_peers if old is not None else ():
            self._drop_use(self._peer_uses, peers.name)
            if peers.name not in self._peer_uses:
                self._peers[peers.own].pop(peers.name, None)

    def _use_ports(self, old: Policy | None, new: Policy | None) -> None:
        for protocol, name in new.port_names if new is not None else ():
            used = chains.port_set(protocol, name)
            self._port_uses[used] += 1
            if used not in self.sets:
                self.sets[used] = dict.fromkeys(e for facts in self._owners.values() for e in _port_elements(facts, used))
                self.changed.sets.add(used)
        for protocol, name in old.port_names if old is not None else ():
            self._drop_use(self._port_uses, chains.port_set(protocol, name))

    def _drop_use(self, uses: Counter[str], name: str) -> None:
        uses[name] -= 1
        if not uses[name]:
            del uses[name]
            self.sets.pop(name, None)
            self.changed.sets.add(name)

    def _fill(self, peers: Peers) -> None:
        self.sets[peers.name] = {address: None for address, facts in self._owners.items() if self._matches(peers, facts)}
        self.changed.sets.add(peers.name)

    def _matches(self, peers: Peers, facts: PodFacts) -> bool:
        return peers.match(facts.namespace, self._namespaces.get(facts.namespace, {}), facts.labels)

    # Namespaces.

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        if labels == self._namespaces.get(name):
            return
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels
        if name == chains.DNS_NAMESPACE:
            for key in {key for key, _ in self._policy_uses}:
                self._write_policy(key)
        pods = [facts for facts in self._owners.values() if facts.namespace == name]
        for peers in self._peers.get("", {}).values() if pods else ():
            for facts in pods:
                self._put(peers.name, facts.address, self._matches(peers, facts))

    # Pods.

    def set_pod(self, key: str, facts: PodFacts | None) -> None:
        old = self._pods.pop(key, None)
        if facts is not None:
            self._pods[key] = facts
            self._claims.setdefault(facts.address, set()).add(key)
        if old is not None and (facts is None or facts.address != old.address):
            self._release(old.address, key)
        for address in dict.fromkeys(each.address for each in (old, facts) if each is not None):
            self._settle(address)

    def forget_pods(self) -> None:
        for key in list(self._pods):
            self.set_pod(key, None)

    def _release(self, address: str, key: str) -> None:
        claims = self._claims[address]
        claims.discard(key)
        if not claims:
            del self._claims[address]

    def _settle(self, address: str) -> None:
        """Whose the address is, and what follows where it has become another pod's, or its pod another one."""
        old = self._owners.get(address)
        new = max((self._pods[key] for key in self._claims.get(address, ())), key=lambda facts: (facts.order, facts.key), default=None)
        if new == old:
            return
        if new is None:
            del self._owners[address]
        else:
            self._owners[address] = new
        for namespace in dict.fromkeys(("", *(facts.namespace for facts in (old, new) if facts is not None))):
            for peers in self._peers.get(namespace, {}).values():
                self._put(peers.name, address, new is not None and self._matches(peers, new))
        for name in self._port_uses:
            self._replace(name, _port_elements(old, name), _port_elements(new, name))
        self._regroup([new] if new is not None and self._is_here(new) else [], gone=address)

    def _put(self, name: str, address: str, is_member: bool) -> None:
        members = self.sets[name]
        if is_member != (address in members):
            if is_member:
                members[address] = None
            else:
                del members[address]
            self.changed.sets.add(name)

    def _replace(self, name: str, old: Iterable[str], new: Iterable[str]) -> None:
        before, after = set(old), set(new)
        if before == after:
            return
        for element in before - after:
            self.sets[name].pop(element, None)
        self.sets[name].update(dict.fromkeys(after))
        self.changed.sets.add(name)

    # What holds for the pods of this node.

    def _is_here(self, facts: PodFacts) -> bool:
        return facts.node == self._config.node

    def _regroup(self, pods: Iterable[PodFacts], gone: str = "") -> None:
        """gone: an address whose pod may not be here any more; its groups are those of `pods`, or none."""
        wanted: dict[Where, Group | None] = {(direction, gone): None for direction in DIRECTIONS} if gone else {}
        for facts in pods:
            wanted |= {(direction, facts.address): self._group(facts, direction) for direction in DIRECTIONS}
        for where, group in wanted.items():
            self._move(where, group)

    def _group(self, facts: PodFacts, direction: str) -> Group | None:
        own = sorted(
            policy.key
            for policy in self._policies.get(facts.namespace, {}).values()
            if policy.rules(direction) is not None and policy.pods.matches(facts.labels)
        )
        return Group(direction, tuple(own)) if own else None

    def _move(self, where: Where, group: Group | None) -> None:
        old = self._groups.pop(where, None)
        if group is not None:
            self._groups[where] = group
        if group == old:
            return
        self.changed.verdicts.add(where)
        if group is not None:
            self._members[group] += 1
            if self._members[group] == 1:
                self._enter(group)
        if old is not None:
            self._members[old] -= 1
            if not self._members[old]:
                del self._members[old]
                self._leave(old)

    def _enter(self, group: Group) -> None:
        """The group's chain, and those of policies that held for nobody here before."""
        for key in group.policies:
            self._policy_uses[key, group.direction] += 1
            self._write(_policy_chain(key, group.direction), self._lines(key, group.direction))
        self._write(group.chain, chains.of_group(_policy_chain(key, group.direction) for key in group.policies))

    def _leave(self, group: Group) -> None:
        self._write(group.chain, None)
        for key in group.policies:
            self._policy_uses[key, group.direction] -= 1
            if not self._policy_uses[key, group.direction]:
                del self._policy_uses[key, group.direction]
                self._write(_policy_chain(key, group.direction), None)

    def _write_policy(self, key: str) -> None:
        for direction in DIRECTIONS:
            if self._policy_uses[key, direction]:
                self._write(_policy_chain(key, direction), self._lines(key, direction))

    def _lines(self, key: str, direction: str) -> tuple[str, ...]:
        policy = self._policies.get(key.partition("/")[0], {}).get(key)
        if policy is None:
            return ()
        of_dns = {"kubernetes.io/metadata.name": chains.DNS_NAMESPACE, **self._namespaces.get(chains.DNS_NAMESPACE, {})}
        return chains.lines(policy, direction, self._config, of_dns)

    def _write(self, chain: str, lines: tuple[str, ...] | None) -> None:
        """None takes the chain away."""
        if lines is None:
            self.chains.pop(chain, None)
        elif self.chains.get(chain) == lines:
            return
        else:
            self.chains[chain] = lines
        self.changed.chains.add(chain)


def _policy_chain(key: str, direction: str) -> str:
    return f"{direction}-of-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _port_elements(facts: PodFacts | None, name: str) -> list[str]:
    """What a pod brings to the set of this name."""
    if facts is None:
        return []
    return [f"{facts.address} . {protocol} . {number}" for protocol, port, number in facts.ports if chains.port_set(protocol, port) == name]
