"""Gives each node its part of the cluster's pod network, as `spec.podCIDR`.

A node that brings a range of its own keeps it, and nobody else gets one that overlaps it. Simulated nodes need none. Nothing is stored
beside the nodes: who has what is read from them, with this controller's own writes laid over its cache, so that no range is given twice.
Source: kubernetes pkg/controller/nodeipam/ipam/range_allocator.go.
"""

import asyncio
from ipaddress import IPv4Network

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.ipam.ranges import PodRanges
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.node_objects import is_simulated

AGAIN_S = 30.0
"""After which a node for which there is no range is looked at again. One that goes brings all others here at once."""


class NodeIPAMController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, ranges: PodRanges) -> None:
        self._client = client
        self._recorder = recorder
        self._ranges = ranges
        self._nodes = Fresh(informers.of(NODES))
        self._last: IPv4Network | None = None
        # One worker: two nodes at once would be given the same range.
        self._controller = Controller("node-ipam-controller", self.reconcile)
        self._controller.watches(self._nodes.informer)
        self._nodes.informer.on_change(self._node_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        node = self._nodes.get(name)
        if node is None or meta.is_deleting(node) or is_simulated(node):
            return None
        others = {meta.name(each): found for each in self._all() if meta.name(each) != name and (found := range_of(each)) is not None}
        own = range_of(node)
        if own is not None:
            self._check(node, own, others)
            return None
        chosen = self._ranges.choose(name, others.values(), self._last)
        if chosen is None:
            self._refuse(node)
            return AGAIN_S
        await self._give(node, chosen)
        return None

    def _all(self) -> list[Object]:
        names = [meta.name(node) for node in self._nodes.informer.items() if not is_simulated(node)]
        return [node for name in names if (node := self._nodes.get(name)) is not None]

    async def _give(self, node: Object, chosen: IPv4Network) -> None:
        spec = (node.get("spec") or {}) | {"podCIDR": str(chosen), "podCIDRs": [str(chosen)]}
        try:
            written = await self._client.update(NODES, node | {"spec": spec})
        except NotFound:
            return
        self._nodes.wrote(written)
        self._last = chosen
        self._recorder.decide(node, "CIDRAssigned", f"Node {meta.name(node)} has the pods' addresses {chosen}")

    def _refuse(self, node: Object) -> None:
        cluster, count = self._ranges.cluster, self._ranges.count
        what = f"the pod network {cluster} has {count} range{'s' if count > 1 else ''} of /{self._ranges.prefix}, and all are in use"
        message = (
            f"Node {meta.name(node)} gets no addresses for pods: {what}. Delete a Node that is gone, or make the cluster with a larger one"
        )
        self._recorder.say(node, "Warning", "CIDRNotAvailable", message)

    def _check(self, node: Object, own: IPv4Network, others: dict[str, IPv4Network]) -> None:
        """What somebody else has written cannot be taken back (podCIDR does not change), but it is said."""
        for name, network in others.items():
            if own.overlaps(network):
                message = f"spec.podCIDR {own} overlaps {network} of node {name}: pods of both may have the same addresses; delete one Node"
                self._recorder.say(node, "Warning", "CIDRConflict", message)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A range has come free: those that wait for one are asked again."""
        if new is None:
            for node in self._nodes.informer.items():
                if not is_simulated(node) and range_of(node) is None:
                    self._controller.queue.add(meta.name(node))


def range_of(node: Object) -> IPv4Network | None:
    """The node's IPv4 range; None when it has none, or one that is no network."""
    spec = node.get("spec") or {}
    for text in spec.get("podCIDRs") or [spec.get("podCIDR") or ""]:
        try:
            return IPv4Network(text)
        except ValueError:
            continue
    return None
