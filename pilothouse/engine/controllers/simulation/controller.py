"""Keeps simulated nodes as many and as ready as they are to be, and their pods in the state that real nodes would bring them to.

Level-triggered like a real node: a Node that is deleted comes back while it is wanted, and one too many goes. All are alive by one Lease:
one write each `RENEW_S`, however many they are. Pods of nodes that go are the pod garbage collector's, as those of real ones.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Retry
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.controllers.simulation import nodes, plan
from pilothouse.engine.controllers.simulation.addresses import Addresses
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import LEASES, NODES, PODS
from pilothouse.model.node_objects import SIMULATED_LEASE, is_simulated
from pilothouse.model.version import KUBERNETES

log = structlog.get_logger("controllers.simulation")

LEASE_NAMESPACE = "kube-node-lease"
RENEW_S, LEASE_S = 10.0, 40
FULL_S = 30.0
WORKERS = 4
"""Of nodes, and of pods. More would push the requests of other controllers out of the API server's queue, which they share."""


class SimulatedNodesController:
    """count: how many nodes there are to be. client: signed in as this controller."""

    def __init__(self, client: Client, informers: Informers, count: int, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._count = count
        self._clock = clock
        self._known_nodes = informers.of(NODES)
        self._known_pods = informers.of(PODS)
        self._addresses = Addresses(nodes.POD_ADDRESSES)
        self._given: dict[str, str] = {}
        self._nodes = Controller("simulated-nodes", self.reconcile_node, workers=WORKERS)
        self._pods = Controller("simulated-pods", self.reconcile_pod, workers=WORKERS)
        self._nodes.watches(self._known_nodes, lambda node: meta.name(node) if is_simulated(node) else None)
        self._pods.watches(self._known_nodes, lambda _: None)
        self._pods.watches(self._known_pods, lambda _: None)
        self._known_pods.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        for number in range(self._count):
            self._nodes.queue.add(nodes.name_of(number))
        async with scope() as tasks:
            if self._count:
                tasks.spawn(self._stay_alive(), name="lease of simulated nodes")
            tasks.spawn(self._pods.run(), name="simulated pods")
            tasks.spawn(self._nodes.run(ready), name="simulated nodes")

    async def reconcile_node(self, name: str) -> None:
        node, number = self._known_nodes.get(name), nodes.number_of(name)
        if number is None:
            return
        if node is None:
            if number < self._count:
                await self._make(number)
        elif number >= self._count:
            await self._remove(node)
        elif not meta.is_true(node, "Ready"):
            # The node controller had not heard of it for a while.
            patch = {"status": {"conditions": nodes.conditions(self._clock())}}
            await self._client.patch(NODES, name, patch, type=STRATEGIC_PATCH, subresource="status")

    async def _make(self, number: int) -> None:
        try:
            await self._client.create(NODES, nodes.node(number, KUBERNETES, self._clock()))
        except AlreadyExists:
            return  # The cache will show it.

    async def _remove(self, node: Object) -> None:
        try:
            await self._client.delete(NODES, meta.name(node), uid=meta.uid(node))
        except (NotFound, Conflict):
            return

    async def reconcile_pod(self, key: str) -> None:
        pod = self._known_pods.get(key)
        if pod is None or (number := self._place_of(pod)) is None:
            return
        name, namespace = meta.name(pod), meta.namespace(pod)
        try:
            if meta.is_deleting(pod):
                await self._client.delete(PODS, name, namespace, grace_s=0, uid=meta.uid(pod))
                return
            host = nodes.address_of(number)
            wanted = plan.status(pod, host, self._address_for(pod, host), self._clock())
            if wanted is not None:
                patch = {"metadata": {"uid": meta.uid(pod)}, "status": wanted}
                await self._client.patch(PODS, name, patch, namespace=namespace, type=STRATEGIC_PATCH, subresource="status")
        except (NotFound, Conflict):
            return  # It is gone, or another one, of which the cache will tell.

    def _place_of(self, pod: Object) -> int | None:
        """The number of the pod's node, if that is a simulated one that there is."""
        name = pod["spec"].get("nodeName") or ""
        number = nodes.number_of(name)
        return number if number is not None and (node := self._known_nodes.get(name)) is not None and is_simulated(node) else None

    def _address_for(self, pod: Object, host: str) -> str:
        """Raises Retry while there is none."""
        if pod["spec"].get("hostNetwork"):
            return host
        uid = meta.uid(pod)
        found = (pod.get("status") or {}).get("podIP") or self._given.get(uid)
        if not found:
            found = self._given[uid] = self._addresses.give() or ""
        if not found:
            del self._given[uid]
            raise Retry(FULL_S, f"all addresses of {nodes.POD_ADDRESSES} are in use, by pods on simulated nodes")
        return str(found)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None and nodes.number_of(old["spec"].get("nodeName") or "") is not None:
                given = self._given.pop(meta.uid(old), "")
                self._addresses.release(filter(None, (given, (old.get("status") or {}).get("podIP"))))
            return
        if nodes.number_of(new["spec"].get("nodeName") or "") is None:
            return
        if (address := (new.get("status") or {}).get("podIP")) and address in self._addresses:
            self._addresses.take(address)
            # From now on the pod itself says it.
            self._given.pop(meta.uid(new), None)
        self._pods.queue.add(meta.key(new))

    async def _stay_alive(self) -> None:
        while True:
            try:
                async with asyncio.timeout(RENEW_S):
                    await self._renew()
            except (ApiError, TimeoutError) as error:
                log.warning("lease not renewed", error=error.message if isinstance(error, ApiError) else f"no answer in {RENEW_S:g} s")
            await asyncio.sleep(RENEW_S)

    async def _renew(self) -> None:
        spec = {"renewTime": meta.rfc3339_micro(self._clock())}
        try:
            await self._client.patch(LEASES, SIMULATED_LEASE, {"spec": spec}, namespace=LEASE_NAMESPACE)
        except NotFound:
            spec_of_new: Object = {"holderIdentity": SIMULATED_LEASE, "leaseDurationSeconds": LEASE_S, **spec}
            await self._client.create(LEASES, {"metadata": {"name": SIMULATED_LEASE}, "spec": spec_of_new}, LEASE_NAMESPACE)
