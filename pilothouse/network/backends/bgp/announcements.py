"""Which Services' addresses this node announces to routers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.network.backends.config import Network


@dataclass(frozen=True, slots=True)
class Attributes:
    """One advertisement. peers: BGPPeers it is for, all when empty.

    communities: as BIRD's filters say it, such as `bgp_community.add((64512,100));`.
    """

    peers: tuple[str, ...] = ()
    local_preference: int = 0
    communities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Addresses that the same advertisements speak of."""

    number: int
    attributes: tuple[Attributes, ...]

    def lines(self, peer: str, *, is_internal: bool) -> Sequence[str] | None:
        """What to do with a route before it is told to a router; None when it is not told. is_internal: of the same AS, where preferences
        go (RFC 4271, section 5.1.5)."""
        found = [each for each in self.attributes if not each.peers or peer in each.peers]
        if not found:
            return None
        preference = max(each.local_preference for each in found)
        lines = [f"bgp_local_pref = {preference};"] if preference and is_internal else []
        return lines + sorted({line for each in found for line in each.communities})


@dataclass(frozen=True, slots=True)
class Announcement:
    """group: the number of one."""

    network: Network
    group: int
