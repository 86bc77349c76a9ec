"""How large packets of pods may be."""

from collections.abc import Callable, Mapping, Sequence

from pilothouse.network.backends.links import Link, holder
from pilothouse.network.backends.seam import View
from pilothouse.network.backends.table import listed


def between_nodes(view: View, links: Sequence[Link], overhead_bytes: Callable[[int], int]) -> dict[int, int]:
    """By IP version, the largest that goes from this node to others, by what this machine's links say; nothing for what is not known."""
    sizes = {}
    for version in (4, 6):
        own = None if view.own is None else view.own.address(version) or next(iter(view.own.addresses), None)
        under = None if own is None else holder(own, list(links))
        if own is not None and under is not None:
            size = under.mtu - overhead_bytes(own.version)
            sizes[version] = min(size, view.spec["mtu"] or size)
    return sizes


def of_pods(set_to: int, sizes: Mapping[int, int], uplink: int, *, has_overhead: bool) -> int:
    """What pods' links are held to; 0: what the link to the world carries, as without a back end.

    set_to: by the ClusterNetwork, 0 for nothing. uplink: of the link to the world, 0 when there is none.
    """
    if not has_overhead:
        return set_to
    known = [size for size in (*sizes.values(), set_to or uplink) if size]
    return min(known, default=0)


def uplink_mtu(links: Sequence[Link]) -> int:
    """Of the default route's link, of IPv4 before IPv6; 0 when there is none. Blocks. Raises BackendFailure."""
    for family in ("-4", "-6"):
        for route in listed("ip", "-json", family, "route", "show", "default"):
            if found := next((link.mtu for link in links if link.name == route.get("dev")), 0):
                return found
    return 0
