"""Keeps the ClusterNetwork: makes the kind and the object, and says in its status how far the nodes have come."""

import asyncio
import time
from collections.abc import Callable

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers.clusternetwork.install import install
from pilothouse.engine.controllers.clusternetwork.report import report
from pilothouse.engine.controllers.own_kinds import installed
from pilothouse.model import meta
from pilothouse.model.cluster_network import CANNOT, CLUSTERNETWORKS, FOLLOWS, NAME
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES

log = structlog.get_logger("controllers.clusternetwork")
RETRY_S = 5.0
SETTLE_S = 0.5
"""Nodes follow nearly at once, and each is a change."""


class ClusterNetworkController:
    """The kind is a custom one: nothing of the control plane waits for it."""

    def __init__(self, client: Client, informers: Informers, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._nodes = informers.of(NODES)
        self._networks = Informers(informers.client).of(CLUSTERNETWORKS)
        self._last: Object = {}
        """What was set last: it is set again where an API server that is not ours let somebody delete it, or its kind."""
        self._wake = asyncio.Event()
        self._nodes.on_change(self._node_changed)
        self._networks.on_change(lambda old, new: self._wake.set())

    async def run(self, ready: asyncio.Event | None = None) -> None:
        if ready is not None:
            ready.set()
        await installed(lambda: install(self._client), "the cluster's network")
        async with scope() as tasks:
            tasks.spawn(self._networks.run(), name="informer of the ClusterNetwork")
            await self._networks.wait_synced()
            await self._nodes.wait_synced()
            while True:
                self._wake.clear()
                try:
                    await self._reconcile()
                except ApiError as error:
                    log.warning("status of the ClusterNetwork not written", why=error.message)
                    self._wake.set()
                    await asyncio.sleep(RETRY_S)
                await asyncio.sleep(SETTLE_S)
                await self._wake.wait()

    async def _reconcile(self) -> None:
        network = self._networks.get(NAME)
        if network is None:
            log.warning("the ClusterNetwork is gone: made again as it was", backend=self._last.get("backend"))
            await install(self._client, self._last)
            return
        self._last = network["spec"]
        status = report(network, self._nodes.items(), meta.rfc3339(self._clock()))
        if status != network.get("status"):
            await self._client.patch(CLUSTERNETWORKS, NAME, {"status": status}, subresource="status")

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if _said(old) != _said(new):
            self._wake.set()


def _said(node: Object | None) -> object:
    if node is None:
        return None
    annotations = meta.annotations(node)
    return annotations.get(FOLLOWS), annotations.get(CANNOT), meta.is_true(node, "Ready")
