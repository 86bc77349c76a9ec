"""Policies, pods, namespaces and nodes as the node sees them, and what follows from them for its rules (pure).

Invariant: after each call `sets`, `chains` and `verdicts` are what the policies ask for, and `changed` names what of them has
changed since it was taken. One pod costs its elements, and the first of its kin a look at each selector; one policy a look at each kin.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pilothouse.network.policy import chains
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.holding import Holding, Where
from pilothouse.network.policy.members import Members, Touched
from pilothouse.network.policy.pods import Kin, NodeFacts, PodFacts
from pilothouse.network.policy.rules import ADMIN, BASELINE, NodePeers, Policy
from pilothouse.network.policy.units import Compiler, Culprit, Group, Unit

DIRECTIONS = ("ingress", "egress")
_TIERS = (ADMIN, BASELINE)


@dataclass(slots=True)
class Changed:
    sets: Touched = field(default_factory=dict)
    chains: set[str] = field(default_factory=set)
    verdicts: set[Where] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.sets or self.chains or self.verdicts)


class World:
    """Used by one thread at a time."""

    def __init__(self, config: NetworkPolicyConfig) -> None:
        self._config = config
        self._policies: dict[str, dict[str, Policy]] = {}
        self._tiers: dict[str, dict[str, Policy]] = {tier: {} for tier in _TIERS}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._pods: dict[str, PodFacts] = {}
        self._claims: dict[str, set[str]] = {}
        self._owners: dict[str, PodFacts] = {}
        self._local: dict[str, dict[str, PodFacts]] = {}
        self._nodes: dict[str, NodeFacts] = {}
        self.changed = Changed()
        self._members = Members(self._owners, self._nodes, self.labels, self.changed.sets)
        self._compiler = Compiler(config, self.policy, self.dns_labels)
        self._holding = Holding(config, self._compiler, self.changed.chains, self.changed.verdicts)

    @property
    def sets(self) -> Mapping[str, Mapping[str, None]]:
        return self._members.sets

    @property
    def chains(self) -> Mapping[str, tuple[str, ...]]:
        return self._holding.chains

    @property
    def culprits(self) -> Mapping[int, Culprit]:
        """Who refuses what is noted under a number."""
        return self._holding.culprits

    @property
    def verdicts(self) -> Mapping[Where, str]:
        """The chain that judges packets to (ingress) or from (egress) a pod of this node; a pod that is not in it is open."""
        return {where: group.chain for where, group in self._holding.groups.items()}

    def group_of(self, where: Where) -> Group | None:
        return self._holding.groups.get(where)

    def chain_of(self, where: Where) -> str | None:
        group = self.group_of(where)
        return None if group is None else group.chain

    def take_changed(self) -> Changed:
        found, self.changed = self.changed, Changed()
        self._members.changed = self.changed.sets
        self._holding.changed_chains, self._holding.changed_verdicts = self.changed.chains, self.changed.verdicts
        return found

    def policy(self, key: str) -> Policy | None:
        namespace, slash, _ = key.rpartition("/")
        if slash:
            return self._policies.get(namespace, {}).get(key)
        return next((tier[key] for tier in self._tiers.values() if key in tier), None)

    def alone(self, key: str) -> dict[str, tuple[str, ...]]:
        """The chains of one policy as if it were the only one."""
        policy = self.policy(key)
        kind = "of" if policy is None or not policy.tier else policy.tier
        units = [Unit(direction, kind, (key,)) for direction in DIRECTIONS]
        return {name: lines for unit in units for name, lines in self._compiler.compile(unit).chains.items()}

    @property
    def policies(self) -> list[str]:
        """Keys of all."""
        return [key for tier in (*self._policies.values(), *self._tiers.values()) for key in tier]

    def owner(self, address: str) -> PodFacts | None:
        """The pod that has the address. One look-up, which any thread may make."""
        return self._owners.get(address)

    def labels(self, namespace: str) -> Mapping[str, str]:
        return self._namespaces.get(namespace, {})

    def dns_labels(self) -> Mapping[str, str]:
        """Of the namespace in which DNS runs elsewhere."""
        return {"kubernetes.io/metadata.name": chains.DNS_NAMESPACE, **self.labels(chains.DNS_NAMESPACE)}

    def addresses_of(self, nodes: NodePeers) -> Iterator[str]:
        for facts in self._nodes.values():
            if nodes.nodes.matches(facts.labels):
                yield from facts.addresses

    # Policies.

    def set_policy(self, key: str, policy: Policy | None) -> None:
        """key: namespace/name of a NetworkPolicy, the name of a ClusterNetworkPolicy."""
        namespace, slash, _ = key.rpartition("/")
        old = self.policy(key)
        if slash:
            self._set_namespaced(namespace, key, policy)
        else:
            self._set_in_tier(key, policy)
        # New ones first: a set that both name stays.
        if policy is not None:
            self._members.use(policy)
        if old is not None:
            self._members.leave(old)
        spaces = [namespace] if slash else list(self._local)
        self._regroup({address: facts for space in spaces for address, facts in self._local.get(space, {}).items()})
        self._holding.policy_changed(key)

    def _set_namespaced(self, namespace: str, key: str, policy: Policy | None) -> None:
        own = self._policies.setdefault(namespace, {})
        own.pop(key, None)
        if policy is not None:
            own[key] = policy
        elif not own:
            del self._policies[namespace]

    def _set_in_tier(self, key: str, policy: Policy | None) -> None:
        for tier in self._tiers.values():
            tier.pop(key, None)
        if policy is not None:
            self._tiers[policy.tier][key] = policy

    # Namespaces and nodes.

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        if labels == self._namespaces.get(name):
            return
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels
        if name == chains.DNS_NAMESPACE:
            self._holding.write_all()
        self._members.namespace_changed(name)
        if any(self._tiers.values()):
            self._regroup(self._local.get(name, {}))

    def set_node(self, name: str, facts: NodeFacts | None) -> None:
        old = self._nodes.pop(name, None)
        if facts is not None:
            self._nodes[name] = facts
        if facts != old:
            self._members.nodes_changed()

    # Pods.

    def set_pod(self, key: str, facts: PodFacts | None) -> None:
        old = self._pods.pop(key, None)
        before, after = () if old is None else old.addresses, () if facts is None else facts.addresses
        if facts is not None:
            self._pods[key] = facts
            for address in after:
                self._claims.setdefault(address, set()).add(key)
        for address in before:
            if address not in after:
                self._release(address, key)
        for address in dict.fromkeys((*before, *after)):
            self._settle(address)

    def forget(self) -> None:
        """Pods, namespaces and nodes."""
        for key in list(self._pods):
            self.set_pod(key, None)
        for name in list(self._namespaces):
            self.set_namespace(name, None)
        self._nodes.clear()
        self._members.nodes_changed()

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
        self._members.address_changed(address, old, new)
        for facts, is_there in ((old, False), (new, True)):
            if facts is not None and self._is_here(facts):
                self._place(address, facts, is_there=is_there)
        self._regroup({address: new if new is not None and self._is_here(new) else None})

    def _place(self, address: str, facts: PodFacts, *, is_there: bool) -> None:
        here = self._local.setdefault(facts.namespace, {})
        if is_there:
            here[address] = facts
            return
        del here[address]
        if not here:
            del self._local[facts.namespace]

    # What holds for the pods of this node.

    def _is_here(self, facts: PodFacts) -> bool:
        return facts.node == self._config.node

    def _regroup(self, pods: Mapping[str, PodFacts | None]) -> None:
        """pods: by address; None where no pod of this node is any more."""
        known: dict[tuple[Kin, str], Group | None] = {}
        for address, facts in pods.items():
            for direction in DIRECTIONS:
                if facts is not None and (facts.kin, direction) not in known:
                    known[facts.kin, direction] = self._group(facts, direction)
                self._holding.move((direction, address), None if facts is None else known[facts.kin, direction])

    def _group(self, facts: PodFacts, direction: str) -> Group | None:
        own = self._holding_for(facts, direction, self._policies.get(facts.namespace, {}).values())
        enforced = tuple(policy.key for policy in own if not policy.is_rehearsed)
        rehearsed = () if enforced else tuple(policy.key for policy in own)
        admin, baseline = (tuple(p.key for p in self._holding_for(facts, direction, self._tiers[tier].values())) for tier in _TIERS)
        found = Group(direction, admin, enforced, rehearsed, () if enforced else baseline)
        return found if found.units else None

    def _holding_for(self, facts: PodFacts, direction: str, policies: Iterable[Policy]) -> list[Policy]:
        """In the order in which they are asked."""
        labels = self.labels(facts.namespace)
        found = [p for p in policies if p.rules(direction) is not None and p.holds_for(facts.namespace, labels, facts.labels)]
        return sorted(found, key=lambda policy: policy.order)


__all__ = ["DIRECTIONS", "Changed", "Where", "World"]
