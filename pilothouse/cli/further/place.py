"""What a further node is called, and where it is in the network between the nodes of its machine. Pure."""

from dataclasses import dataclass
from pathlib import Path

from pilothouse.cli.settings.home import Home, Settings
from pilothouse.model.networks import Network

MOST = 250
"""Of nodes on one machine: what the network between them has addresses for."""


@dataclass(frozen=True, slots=True)
class Place:
    """home: of the further node. parent: of its instance. networks: between the machine's nodes, one of each IP family, the primary one
    first; the first address of each is the host's."""

    home: Home
    parent: Home
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, home: Home) -> "Place":
        """Of a home that is a further node's. Raises ValueError for any other, SettingsError."""
        settings = Settings.load(home)
        if settings is None or not settings.parent:
            raise ValueError(f"{home.path} is no further node of an instance")
        parent = Home(Path(settings.parent))
        above = Settings.load(parent)
        if above is None or not above.nodes_cidr:
            raise ValueError(f"the instance at {parent.path} has no network between nodes")
        return cls(home, parent, above.nodes_networks)

    @classmethod
    def to_remove(cls, home: Home) -> "Place | None":
        """Of a home that lies where those of further nodes do, whatever is in its settings and its instance's; None of any other."""
        parent = Home(home.path.parents[1])
        if home.path.parent != parent.further_nodes or not home.path.name.isdigit():
            return None
        return cls(home, parent, Settings.salvaged(parent).nodes_networks)

    @classmethod
    def first(cls, home: Home, settings: Settings) -> "Place":
        """Of the instance's first node, which is the host. settings: with a network between nodes."""
        return cls(Home(home.further_nodes / "1"), home, settings.nodes_networks)

    @property
    def number(self) -> int:
        return int(self.home.path.name)

    @property
    def bridge(self) -> str:
        return f"phn-{self.parent.instance}"

    @property
    def link(self) -> str:
        """The host's end of the pair to the node."""
        return f"phn{self.number}-{self.parent.instance}"

    @property
    def table(self) -> str:
        """Of nftables, on the host."""
        return f"pilothouse-{self.parent.instance}-nodes"

    @property
    def gateways(self) -> tuple[str, ...]:
        return tuple(str(network[1]) for network in self.networks)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(str(network[self.number]) for network in self.networks)

    @property
    def holder(self) -> Path:
        """The pid file of the process that keeps the namespaces."""
        return self.home.run / "namespaces.pid"

    @property
    def resolv_conf(self) -> Path:
        return self.home.run / "resolv.conf"
