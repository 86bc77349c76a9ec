"""Policies as they are carried out, whatever kind of object asks for them: who is meant, from or to whom, on which ports (pure).

Two tiers of ClusterNetworkPolicies lie around the NetworkPolicies: what Admin decides is final, what it passes on is decided by the
NetworkPolicies of the pod, and where there are none by Baseline.
Source: networking.k8s.io/v1 NetworkPolicySpec; policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicySpec.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pilothouse.model.selector import Selector

ADMIN, BASELINE, NAMESPACED = "Admin", "Baseline", ""
"""Tiers; the last is that of the NetworkPolicies."""
ACCEPT, DENY, PASS = "Accept", "Deny", "Pass"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Peers:
    """Pods by their labels and their namespace's. namespaces: None for the policy's own. name: the same for equal selectors."""

    name: str
    own: str
    namespaces: Selector | None
    pods: Selector

    def match(self, namespace: str, namespace_labels: Labels, labels: Labels) -> bool:
        of_namespace = namespace == self.own if self.namespaces is None else self.namespaces.matches(namespace_labels)
        return of_namespace and self.pods.matches(labels)


@dataclass(frozen=True, slots=True)
class NodePeers:
    """Nodes by their labels: the addresses that their status shows. name: the same for equal selectors."""

    name: str
    nodes: Selector


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses of a network but for those of others, as written in a rule."""

    network: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """protocol: tcp, udp, sctp, or "" with a name for any of them. first 0: all ports. name: of pods' ports, "" for numbers."""

    protocol: str
    first: int = 0
    last: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who and what: everybody (`peers` and `blocks` None), or some; ports (): all, of any protocol. name: as its author calls it."""

    peers: tuple[Peers, ...] | None
    blocks: tuple[Block, ...] | None
    ports: tuple[Port, ...]
    nodes: tuple[NodePeers, ...] = ()
    action: str = ACCEPT
    name: str = ""

    @property
    def is_for_everybody(self) -> bool:
        return self.peers is None or self.blocks is None


@dataclass(frozen=True, slots=True)
class Policy:
    """ingress, egress: None where the policy says nothing of the direction; of a NetworkPolicy, () allows nothing.

    key: namespace/name, or the name alone of a ClusterNetworkPolicy. subject: the pods that it holds for.
    """

    key: str
    subject: Peers
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None
    tier: str = NAMESPACED
    priority: int = 0
    is_rehearsed: bool = False

    def rules(self, direction: str) -> tuple[Rule, ...] | None:
        return self.ingress if direction == "ingress" else self.egress

    def holds_for(self, namespace: str, namespace_labels: Labels, labels: Labels) -> bool:
        return self.subject.match(namespace, namespace_labels, labels)

    @property
    def namespace(self) -> str:
        """ "" of a ClusterNetworkPolicy."""
        return self.key.rpartition("/")[0]

    @property
    def order(self) -> tuple[int, str]:
        """Of two in a tier that with the smaller one is asked first."""
        return self.priority, self.key

    @property
    def _every(self) -> tuple[Rule, ...]:
        return (*(self.ingress or ()), *(self.egress or ()))

    @property
    def all_peers(self) -> Iterator[Peers]:
        for rule in self._every:
            yield from rule.peers or ()

    @property
    def all_nodes(self) -> Iterator[NodePeers]:
        for rule in self._every:
            yield from rule.nodes

    @property
    def port_names(self) -> Iterator[tuple[str, str]]:
        """Protocol and name of the ports that are named."""
        for rule in self._every:
            yield from ((port.protocol, port.name) for port in rule.ports if port.name)
