"""What a back end is: one way by which the packets of this node's pods reach those of other nodes.

The component (`component.py`) follows Nodes and the setting and drives the back end that is chosen. Whatever changes, `apply` is called
with the whole view; a back end compares it with what the kernel has and does what is missing, so that a call repeated changes nothing.
While the setting changes, two live side by side: the new one says which nodes wait, and the old one is asked to serve those, and no
others, until none does; then it is retired. Nothing of that touches pods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.recorder import Recorder
from pilothouse.model.json import Object
from pilothouse.network.backends.config import Address, BackendConfig, Network


class BackendFailure(Exception):
    """The kernel, or a program that is needed, cannot be asked at all; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node, as far as this one may go by what its Node says.

    pod_cidrs: each inside the pod network and nobody else's, at most one per family and more where a node has several.
    addresses: of the host that takes its packets, as they are reached from here; at most one per family. through: the node which that host
    is: this one, or the first node of a machine of which this is a further one. node: the whole object; not to be changed.
    """

    name: str
    pod_cidrs: tuple[Network, ...]
    addresses: tuple[Address, ...]
    through: str
    node: Object

    def address(self, version: int) -> Address | None:
        return next((each for each in self.addresses if each.version == version), None)


@dataclass(frozen=True, slots=True)
class View:
    """own: this node, None while its Node is not there. peers: by name. spec: that of the ClusterNetwork, defaults filled in.

    limits: by node, the largest packet in bytes that its path carries, where that was found to be less than its links say.
    elsewhere: peers to which another back end leads. They may still send here, and be the way to others.
    """

    own: Peer | None
    peers: Mapping[str, Peer]
    spec: Object
    limits: Mapping[str, int] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()

    @property
    def led_to(self) -> Mapping[str, Peer]:
        """Peers that this back end has to lead to."""
        return {name: peer for name, peer in self.peers.items() if name not in self.elsewhere}


@dataclass(frozen=True, slots=True)
class Outcome:
    """problems: by node, why it is not reached as it should be; each becomes an Event of that Node. waiting: nodes that this back end
    cannot serve yet, because they do not take its packets so far; the back end before it keeps serving them. cause: why they wait, where
    it is in what is set."""

    problems: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a back end may use. reader: signed in as the proxies are, to watch with. node: signed in as this node. wake: asks for another
    `apply`, from the loop. services, slices: caches that the node's proxy has, too; slices have the index "service"."""

    config: BackendConfig
    reader: Client
    node: Client
    conditions: NodeConditions
    recorder: Recorder | None
    wake: Callable[[], None]
    services: Informer
    slices: Informer


class Backend(Protocol):
    """Made when it is chosen. Its calls never overlap."""

    def overhead_bytes(self, version: int) -> int:
        """What it takes of each packet of the link that carries it, whose hosts speak IPv4 (4) or IPv6 (6)."""
        ...

    async def apply(self, view: View) -> Outcome:
        """Make the kernel as the view says. Raises BackendFailure: tried again later, everything stays as it is."""
        ...

    def facts(self) -> Mapping[str, str]:
        """Annotations of this node's Node by which other nodes send to it: what has been made so that it receives."""
        ...

    async def run(self) -> None:
        """What goes on beside, such as looking after a process; until cancelled. What is made stays when this ends. One that raises is
        logged and begun again after a while."""
        ...

    async def retire(self) -> None:
        """Take away whatever it has made on this machine, this process's or an earlier one's. Raises BackendFailure."""
        ...
