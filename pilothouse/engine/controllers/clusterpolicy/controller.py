"""Makes the kind ClusterNetworkPolicy, and says in the status of its objects by how many nodes they are carried out.

Bounded: twenty objects are written in a round, and a round begins a second after the one before at the earliest, however many nodes change.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers.clusterpolicy.definition import DEFINITION
from pilothouse.engine.controllers.clusterpolicy.status import gathered, said, status
from pilothouse.engine.controllers.own_kinds import ensure, installed
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES

log = structlog.get_logger("controllers.clusterpolicy")
SETTLE_S, MOST_WRITES = 1.0, 20
"""Nodes follow one after the other, and each is a change."""


class ClusterPolicyKind:
    """Nothing of the control plane waits for the kind."""

    def __init__(self, client: Client, informers: Informers, clock: Callable[[], float] = time.time) -> None:
        self._client, self._reading, self._clock = client, informers.client, clock
        self._nodes = informers.of(NODES)
        self._policies = Informers(informers.client).of(CLUSTERNETWORKPOLICIES)
        self._wake = asyncio.Event()
        self._nodes.on_change(self._node_changed)
        self._policies.on_change(lambda old, new: self._wake.set())

    async def run(self, ready: asyncio.Event | None = None) -> None:
        if ready is not None:
            ready.set()
        await installed(self._install, "policies of the cluster")
        async with scope() as tasks:
            tasks.spawn(self._policies.run(), name="informer of ClusterNetworkPolicies")
            await self._policies.wait_synced()
            await self._nodes.wait_synced()
            while True:
                self._wake.clear()
                await self._write()
                await asyncio.sleep(SETTLE_S)
                await self._wake.wait()

    async def _install(self) -> None:
        """Raises ApiError: also while the kind is not served yet, for a moment after it was made."""
        await install(self._client)
        await self._reading.list_all(CLUSTERNETWORKPOLICIES)

    async def _write(self) -> None:
        """The status of those whose nodes have said something else."""
        policies, now, written = self._policies.items(), meta.rfc3339(self._clock()), 0
        nodes = gathered(self._nodes.items(), policies)
        for policy in policies:
            wanted = status(policy, nodes, now)
            if wanted == policy.get("status"):
                continue
            if written == MOST_WRITES:
                self._wake.set()
                return
            written += 1
            try:
                await self._client.patch(CLUSTERNETWORKPOLICIES, meta.name(policy), {"status": wanted}, subresource="status")
            except NotFound:
                continue
            except ApiError as error:
                log.warning("status of a ClusterNetworkPolicy not written", policy=meta.name(policy), why=error.message)
                self._wake.set()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if (old is None) != (new is None) or said(old) != said(new):
            self._wake.set()


async def install(client: Client) -> None:
    """Raises ApiError."""
    await ensure(client, DEFINITION)
