"""Gives each node its part of each of the cluster's pod networks, as `spec.podCIDRs`: one range a family, all at once or none.

A node that brings a range of its own keeps it, and nobody else gets one that overlaps it. Simulated nodes need none. Nothing is stored
beside the nodes: who has what is read from them, with this controller's own writes laid over its cache, so that no range is given twice.
Source: kubernetes pkg/controller/nodeipam/ipam/range_allocator.go.
"""

import asyncio
from collections.abc import Sequence

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.ipam.ranges import PodRanges, ranges_of
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.networks import Network, overlap, shown
from pilothouse.model.node_objects import is_simulated

AGAIN_S = 30.0
"""After which a node for which there is no range is looked at again. One that goes brings all others here at once."""


class NodeIPAMController:
    """ranges: of each family, the primary one first."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, ranges: Sequence[PodRanges]) -> None:
        self._client = client
        self._recorder = recorder
        self._ranges = ranges
        self._nodes = Fresh(informers.of(NODES))
        self._last: dict[Network, Network] = {}
        self._checked: dict[str, tuple[Network, ...]] = {}
        """Of each network of pods the range that was given last."""
        # One worker: two nodes at once would be given the same range.
        self._controller = Controller("node-ipam-controller", self.reconcile)
        self._controller.watches(self._nodes.informer)
        self._nodes.informer.on_change(self._node_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        node = self._nodes.get(name)
        if node is None or meta.is_deleting(node) or is_simulated(node):
            self._checked.pop(name, None)
            return None
        if (own := ranges_of(node)) and self._checked.get(name) == own:
            # Nodes report every few seconds; ranges are for life, and of two that overlap the later one is held against the other.
            return None
        others = {meta.name(each): ranges_of(each) for each in self._all() if meta.name(each) != name}
        if own:
            self._check(node, own, others)
            self._checked[name] = own
            return None
        taken = [network for found in others.values() for network in found]
        chosen: dict[Network, Network] = {}
        for ranges in self._ranges:
            found = ranges.choose(name, taken, self._last.get(ranges.cluster))
            if found is None:
                self._refuse(node, ranges)
                return AGAIN_S
            chosen[ranges.cluster] = found
        await self._give(node, chosen)
        return None

    def _all(self) -> list[Object]:
        names = [meta.name(node) for node in self._nodes.informer.items() if not is_simulated(node)]
        return [node for name in names if (node := self._nodes.get(name)) is not None]

    async def _give(self, node: Object, chosen: dict[Network, Network]) -> None:
        """chosen: the node's part of each network."""
        given = [str(network) for network in chosen.values()]
        spec = (node.get("spec") or {}) | {"podCIDR": given[0], "podCIDRs": given}
        try:
            written = await self._client.update(NODES, node | {"spec": spec})
        except NotFound:
            return
        self._nodes.wrote(written)
        self._last |= chosen
        self._recorder.decide(node, "CIDRAssigned", f"Node {meta.name(node)} has the pods' addresses {shown(given)}")

    def _refuse(self, node: Object, ranges: PodRanges) -> None:
        cluster, count = ranges.cluster, ranges.count
        what = f"the pod network {cluster} has {count} range{'s' if count > 1 else ''} of /{ranges.prefix}, and all are in use"
        message = (
            f"Node {meta.name(node)} gets no addresses for pods: {what}. Delete a Node that is gone, or make the cluster with a larger one"
        )
        self._recorder.say(node, "Warning", "CIDRNotAvailable", message)

    def _check(self, node: Object, own: Sequence[Network], others: dict[str, tuple[Network, ...]]) -> None:
        """What somebody else has written cannot be taken back (podCIDRs do not change), but it is said."""
        for name, network in ((name, network) for name, found in others.items() for network in found):
            for mine in own:
                if overlap(mine, network):
                    what = f"spec.podCIDRs: {mine} overlaps {network} of node {name}"
                    self._recorder.say(
                        node, "Warning", "CIDRConflict", f"{what}: pods of both may have the same addresses; delete one Node"
                    )

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A range has come free: those that wait for one are asked again."""
        if new is None:
            for node in self._nodes.informer.items():
                if not is_simulated(node) and not ranges_of(node):
                    self._controller.queue.add(meta.name(node))
