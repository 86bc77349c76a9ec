"""Finds volumes that a node has made and that no PersistentVolume has ever stood for: the control plane ended in between.

The node keeps a mark on what it makes until it is told that the cluster knows it (`confirm`). What is still marked is confirmed when
there is a PersistentVolume of it, left alone while its claim waits, and removed when both are gone. What was confirmed once is never
touched: it may be retained data.
"""

import asyncio

from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.persistentvolume.nodes import NodeVolumes
from pilothouse.engine.controllers.persistentvolume.provision import enforcement_of, name_for
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.volumes import NODE

SWEEP_S = 300.0
AWAY_S = 60.0
"""How soon a node is asked again that did not answer."""


class OrphanedVolumes:
    """nodes: None where nobody makes volumes."""

    def __init__(self, informers: Informers, recorder: Recorder, nodes: NodeVolumes | None) -> None:
        self._recorder = recorder
        self._node_volumes = nodes
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._nodes = informers.of(NODES)
        self._seen: set[str] = set()
        self._controller = Controller("orphaned volumes", self.reconcile)
        self._controller.watches(self._nodes, self._new)
        for informer in (self._claims, self._volumes):
            self._controller.watches(informer, lambda obj: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    def _new(self, node: Object) -> str | None:
        """A node once: its status changes all the time."""
        name = meta.name(node)
        if name in self._seen or not enforcement_of(node):
            return None
        self._seen.add(name)
        return name

    async def reconcile(self, name: str) -> float | None:
        node = self._nodes.get(name)
        if node is None or self._node_volumes is None:
            self._seen.discard(name)
            return None
        try:
            for volume in await self._node_volumes.unconfirmed(name):
                await self._settle(self._node_volumes, node, volume)
        except ApiError:
            return AWAY_S
        return SWEEP_S

    async def _settle(self, nodes: NodeVolumes, node: Object, name: str) -> None:
        volume = self._volumes.get(name)
        if volume is not None and meta.annotations(volume).get(NODE) == meta.name(node):
            await nodes.confirm(meta.name(node), name)
        elif volume is not None or not any(name_for(claim) == name for claim in self._claims.items()):
            await nodes.remove(meta.name(node), name)
            self._recorder.decide(node, "OrphanedVolumeRemoved", f"volume {name} was made for a claim that is gone, and never bound")
