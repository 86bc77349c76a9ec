"""What a plan asks of this node: which addresses to hold where, and whom to guard. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model.load_balancers import Address
from pilothouse.network.announce.nodes import Node
from pilothouse.network.announce.plan import Announced
from pilothouse.network.announce.ways import Way, Ways


@dataclass(frozen=True, slots=True)
class Task:
    """found: the plan. mine: what is this node's by it. wanted: links by the addresses to hold.

    guarded: by node, addresses that this one is second for; ways: to the node, by address. watched: these addresses by link.
    """

    found: Mapping[Address, Announced] = field(default_factory=dict)
    mine: Collection[Address] = frozenset()
    wanted: Mapping[Address, frozenset[str]] = field(default_factory=dict)
    guarded: Mapping[str, Sequence[Address]] = field(default_factory=dict)
    ways: Mapping[Address, Way] = field(default_factory=dict)
    watched: Mapping[str, Collection[Address]] = field(default_factory=dict)


def task_of(found: Mapping[Address, Announced], here: str, nodes: Sequence[Node], ways: Ways, yielded: Collection[Address]) -> Task:
    """yielded: what has been left to another node, whatever the plan says."""
    mine = frozenset(address for address, each in found.items() if each.owner == here)
    wanted = {address: links for address in mine if address not in yielded and (links := ways.to(found[address]))}
    places = {node.name: node.places for node in nodes}
    guarded: dict[str, list[Address]] = {}
    watched: dict[str, set[Address]] = {}
    chosen: dict[Address, Way] = {}
    for address, each in found.items():
        if each.second == here and (way := ways.to_node(each, places.get(each.owner, ()))) is not None:
            guarded.setdefault(each.owner, []).append(address)
            watched.setdefault(way[0], set()).add(address)
            chosen[address] = way
    return Task(found, mine, wanted, guarded, chosen, watched)
