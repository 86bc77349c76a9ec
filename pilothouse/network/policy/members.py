"""The sets: which addresses each selector means, and which addresses and ports each named port is (pure).

A set is there while some rule names it, shared by all rules with an equal selector. Elements of all IP families lie together here.
Pods of a namespace with the same labels are a kin: a selector is asked once about all of them, and a pod that comes to a kin that is
known asks no selector at all.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pilothouse.network.policy import chains
from pilothouse.network.policy.pods import Kin, NodeFacts, PodFacts
from pilothouse.network.policy.rules import NodePeers, Peers, Policy

Touched = dict[str, set[str] | None]
"""Elements of a set that may have come or gone, by its name; None: any of them, or the set itself."""


@dataclass(slots=True)
class _Relatives:
    """Addresses of a kin, and the names of the sets of selectors that mean it."""

    namespace: str
    labels: Mapping[str, str]
    addresses: dict[str, None] = field(default_factory=dict)
    sets: set[str] = field(default_factory=set)


class Members:
    """sets: by name, the elements. changed: those that have changed since they were taken.

    owners: which pod has an address; nodes: by name; both are their owner's, and read here. labels: of a namespace.
    """

    def __init__(
        self, owners: Mapping[str, PodFacts], nodes: Mapping[str, NodeFacts], labels: Callable[[str], Mapping[str, str]], changed: Touched
    ) -> None:
        self.sets: dict[str, dict[str, None]] = {}
        self.changed = changed
        self._owners, self._nodes, self._labels = owners, nodes, labels
        self._kins: dict[str, dict[Kin, _Relatives]] = {}
        self._peers: dict[str, dict[str, Peers]] = {}
        self._node_peers: dict[str, NodePeers] = {}
        self._ports: dict[str, tuple[str, str]] = {}
        self._uses: Counter[str] = Counter()

    def use(self, policy: Policy) -> None:
        """Make what its rules name."""
        for peers in policy.all_peers:
            if self._begin(peers.name):
                self._peers.setdefault(peers.own, {})[peers.name] = peers
                self._fill(peers.name, self._meant(peers))
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
                for relatives in self._asked(peers):
                    relatives.sets.discard(peers.name)
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
        self.changed[name] = None

    def _end(self, name: str) -> bool:
        self._uses[name] -= 1
        if self._uses[name]:
            return False
        del self._uses[name]
        self.sets.pop(name, None)
        self.changed[name] = None
        return True

    # Pods by their selectors.

    def _asked(self, peers: Peers) -> Iterator[_Relatives]:
        """Those whom the selector may mean."""
        for kins in self._kins.values() if peers.namespaces is not None else (self._kins.get(peers.own, {}),):
            yield from kins.values()

    def _meant(self, peers: Peers) -> dict[str, None]:
        found: dict[str, None] = {}
        for relatives in self._asked(peers):
            if peers.match(relatives.namespace, self._labels(relatives.namespace), relatives.labels):
                relatives.sets.add(peers.name)
                found.update(relatives.addresses)
        return found

    def _matching(self, namespace: str, labels: Mapping[str, str]) -> set[str]:
        of_namespace = self._labels(namespace)
        asked = (peers for own in dict.fromkeys(("", namespace)) for peers in self._peers.get(own, {}).values())
        return {peers.name for peers in asked if peers.match(namespace, of_namespace, labels)}

    def namespace_changed(self, name: str) -> None:
        """Its labels are others now."""
        for relatives in self._kins.get(name, {}).values():
            before, relatives.sets = relatives.sets, self._matching(name, relatives.labels)
            for gone in before - relatives.sets:
                self._take_out(gone, relatives.addresses)
            for come in relatives.sets - before:
                self._put_in(come, relatives.addresses)

    def address_changed(self, address: str, old: PodFacts | None, new: PodFacts | None) -> None:
        """Whose the address was, and is."""
        before, after = None if old is None else old.kin, None if new is None else new.kin
        if before != after:
            if before is not None:
                self._leave_kin(address, before)
            if new is not None:
                self._join_kin(address, new)
        if (() if old is None else old.ports) != (() if new is None else new.ports):
            for name, port in self._ports.items():
                self._replace(name, _port_elements(address, old, port), _port_elements(address, new, port))

    def _join_kin(self, address: str, facts: PodFacts) -> None:
        kins = self._kins.setdefault(facts.namespace, {})
        relatives = kins.get(facts.kin)
        if relatives is None:
            relatives = kins[facts.kin] = _Relatives(facts.namespace, facts.labels, sets=self._matching(facts.namespace, facts.labels))
        relatives.addresses[address] = None
        for name in relatives.sets:
            self._put_in(name, (address,))

    def _leave_kin(self, address: str, kin: Kin) -> None:
        namespace = kin[0]
        relatives = self._kins[namespace][kin]
        del relatives.addresses[address]
        for name in relatives.sets:
            self._take_out(name, (address,))
        if not relatives.addresses:
            del self._kins[namespace][kin]
            if not self._kins[namespace]:
                del self._kins[namespace]

    # Nodes.

    def nodes_changed(self) -> None:
        """From all nodes anew: two may have one address (a machine that joined again under another name)."""
        for nodes in self._node_peers.values():
            self._replace(nodes.name, self.sets[nodes.name], self._addresses_of(nodes))

    def _addresses_of(self, nodes: NodePeers) -> Iterator[str]:
        meant = (facts for facts in self._nodes.values() if nodes.nodes.matches(facts.labels))
        return (address for facts in meant for address in facts.addresses)

    # Elements.

    def _put_in(self, name: str, elements: Collection[str]) -> None:
        self.sets[name].update(dict.fromkeys(elements))
        self._touch(name, elements)

    def _take_out(self, name: str, elements: Collection[str]) -> None:
        members = self.sets[name]
        for element in elements:
            members.pop(element, None)
        self._touch(name, elements)

    def _touch(self, name: str, elements: Collection[str]) -> None:
        touched = self.changed.setdefault(name, set())
        if touched is not None:
            touched.update(elements)

    def _replace(self, name: str, old: Iterable[str], new: Iterable[str]) -> None:
        before, after = set(old), set(new)
        if before != after:
            self._take_out(name, before - after)
            self._put_in(name, after - before)


def _port_elements(address: str, facts: PodFacts | None, port: tuple[str, str]) -> list[str]:
    """What a pod at the address brings to the set of the named port. port: protocol ("" for any) and name."""
    if facts is None:
        return []
    return [f"{address} . {protocol} . {number}" for protocol, name, number in facts.ports if name == port[1] and port[0] in ("", protocol)]
