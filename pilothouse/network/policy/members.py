"""The sets: which addresses each selector means, and which addresses and ports each named port is (pure).

A set is there while some rule names it, shared by all rules with an equal selector. Elements of all IP families lie together here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from pilothouse.network.policy import chains
from pilothouse.network.policy.pods import NodeFacts, PodFacts
from pilothouse.network.policy.rules import NodePeers, Peers, Policy


class Members:
    """sets: by name, the elements. changed: names of those that have changed since they were taken.

    owners: which pod has an address; nodes: by name; both are their owner's, and read here. labels: of a namespace.
    """

    def __init__(
        self, owners: Mapping[str, PodFacts], nodes: Mapping[str, NodeFacts], labels: Callable[[str], Mapping[str, str]], changed: set[str]
    ) -> None:
        self.sets: dict[str, dict[str, None]] = {}
        self.changed = changed
        self._owners, self._nodes, self._labels = owners, nodes, labels
        self._peers: dict[str, dict[str, Peers]] = {}
        self._node_peers: dict[str, NodePeers] = {}
        self._ports: dict[str, tuple[str, str]] = {}
        self._uses: Counter[str] = Counter()

    def use(self, policy: Policy) -> None:
        """Make what its rules name."""
        for peers in policy.all_peers:
            if self._begin(peers.name):
                self._peers.setdefault(peers.own, {})[peers.name] = peers
                self._fill(peers.name, (address for address, facts in self._owners.items() if self._matches(peers, facts)))
        for nodes in policy.all_nodes:
            if self._begin(nodes.name):
                self._node_peers[nodes.name] = nodes
                self._fill(nodes.name, self._addresses_of(nodes))
        for port in policy.port_names:
            name = chains.port_set(*port)
            if self._begin(name):
                self._ports[name] = port
                self._fill(name, (e for address, facts in self._owners.items() for e in _port_elements(address, facts, port)))

    def leave(self, policy: Policy) -> None:
        """Take away what only its rules have named."""
        for peers in policy.all_peers:
            if self._end(peers.name):
                self._peers[peers.own].pop(peers.name, None)
        for nodes in policy.all_nodes:
            if self._end(nodes.name):
                self._node_peers.pop(nodes.name, None)
        for port in policy.port_names:
            if self._end(chains.port_set(*port)):
                self._ports.pop(chains.port_set(*port), None)

    def _begin(self, name: str) -> bool:
        self._uses[name] += 1
        return self._uses[name] == 1

    def _fill(self, name: str, elements: Iterable[str]) -> None:
        self.sets[name] = dict.fromkeys(elements)
        self.changed.add(name)

    def _end(self, name: str) -> bool:
        self._uses[name] -= 1
        if self._uses[name]:
            return False
        del self._uses[name]
        self.sets.pop(name, None)
        self.changed.add(name)
        return True

    def _matches(self, peers: Peers, facts: PodFacts) -> bool:
        return peers.match(facts.namespace, self._labels(facts.namespace), facts.labels)

    def namespace_changed(self, pods: Iterable[tuple[str, PodFacts]]) -> None:
        """pods: addresses and pods of the namespace whose labels are others now."""
        known = list(pods)
        for peers in self._peers.get("", {}).values() if known else ():
            for address, facts in known:
                self._put(peers.name, address, self._matches(peers, facts))

    def address_changed(self, address: str, old: PodFacts | None, new: PodFacts | None) -> None:
        """Whose the address was, and is."""
        for namespace in dict.fromkeys(("", *(facts.namespace for facts in (old, new) if facts is not None))):
            for peers in self._peers.get(namespace, {}).values():
                self._put(peers.name, address, new is not None and self._matches(peers, new))
        for name, port in self._ports.items():
            self._replace(name, _port_elements(address, old, port), _port_elements(address, new, port))

    def nodes_changed(self) -> None:
        """From all nodes anew: two may have one address (a machine that joined again under another name)."""
        for nodes in self._node_peers.values():
            self._replace(nodes.name, self.sets[nodes.name], self._addresses_of(nodes))

    def _addresses_of(self, nodes: NodePeers) -> Iterator[str]:
        meant = (facts for facts in self._nodes.values() if nodes.nodes.matches(facts.labels))
        return (address for facts in meant for address in facts.addresses)

    def _put(self, name: str, address: str, is_member: bool) -> None:
        members = self.sets[name]
        if is_member != (address in members):
            if is_member:
                members[address] = None
            else:
                del members[address]
            self.changed.add(name)

    def _replace(self, name: str, old: Iterable[str], new: Iterable[str]) -> None:
        before, after = set(old), set(new)
        if before == after:
            return
        for element in before - after:
            self.sets[name].pop(element, None)
        self.sets[name].update(dict.fromkeys(after))
        self.changed.add(name)


def _port_elements(address: str, facts: PodFacts | None, port: tuple[str, str]) -> list[str]:
    """What a pod at the address brings to the set of the named port. port: protocol ("" for any) and name."""
    if facts is None:
        return []
    return [f"{address} . {protocol} . {number}" for protocol, name, number in facts.ports if name == port[1] and port[0] in ("", protocol)]
