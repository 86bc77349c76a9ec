"""What a Corefile says, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.network.dns.codec import Name
from pilothouse.network.dns.corefile.rewriting import Rewrite

RESOLV_CONF = "/etc/resolv.conf"
MOST_CONCURRENT = 1000


@dataclass(frozen=True, slots=True)
class Forward:
    """servers: `address` or `address:port`, or RESOLV_CONF alone for those of the machine. max_concurrent: questions under way.

    force_tcp: the servers are asked over TCP whatever the asker has taken.
    """

    servers: tuple[str, ...] = (RESOLV_CONF,)
    max_concurrent: int = MOST_CONCURRENT
    force_tcp: bool = False


@dataclass(frozen=True, slots=True)
class Hosts:
    """by_name: addresses of a name; by_address: names of an address, for reverse questions. falls_through: other names are looked for."""

    by_name: Mapping[Name, tuple[str, ...]]
    by_address: Mapping[str, tuple[Name, ...]]
    ttl_s: int = 3600
    falls_through: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """For the names at and below `zones`. kubernetes: the cluster's own names are answered here.

    ttl_s: of the cluster's records. pod_names: whether names like 1-2-3-4.NAMESPACE.pod are there. longest_s: most that an answer from
    elsewhere is kept; 0: none is. stale_s: for how long after its end it is given while no server answers.
    """

    zones: tuple[Name, ...]
    rewrites: tuple[Rewrite, ...] = ()
    hosts: Hosts | None = None
    kubernetes: bool = False
    ttl_s: int = 5
    pod_names: bool = True
    autopath: bool = False
    forward: Forward | None = None
    longest_s: int = 0
    stale_s: int = 0
    log: bool = False
    errors: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """blocks: the one with the longest zone that a name lies in counts."""

    blocks: tuple[Block, ...]
    _by_zone: dict[Name, Block] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_zone", {zone: block for block in self.blocks for zone in block.zones})

    def block_of(self, name: Name) -> Block | None:
        by_zone = self._by_zone
        return next((by_zone[name[at:]] for at in range(len(name) + 1) if name[at:] in by_zone), None)


def root(ttl_s: int) -> Block:
    """What holds for all names that no block of a Corefile speaks of."""
    return Block(((),), kubernetes=True, ttl_s=ttl_s, autopath=True, forward=Forward(), longest_s=300, stale_s=3600, errors=True)


def default(ttl_s: int) -> Configuration:
    return Configuration((root(ttl_s),))
