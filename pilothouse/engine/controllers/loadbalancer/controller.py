"""The load balancer controller: each Service of type LoadBalancer gets addresses, and keeps them for as long as it may.

    Service -> its finalizer, addresses of a pool or of the nodes (`from_pools`, `from_nodes`), its status

One worker decides: two at once would give out the same address. Its own writes are laid over its cache, and what is given out is read from
the Services' statuses, so that a restart changes nothing. What concerns many Services (a pool, a node, an address that came free) brings
them here again together, at most five times a second.
"""

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.loadbalancer import from_nodes, from_pools
from pilothouse.engine.controllers.loadbalancer.assignments import Assignments
from pilothouse.engine.controllers.loadbalancer.from_pools import Grant
from pilothouse.engine.controllers.loadbalancer.install import install
from pilothouse.engine.controllers.loadbalancer.node_addresses import NodeAddresses
from pilothouse.engine.controllers.loadbalancer.report import NodeReport, PoolReport
from pilothouse.engine.controllers.loadbalancer.wish import Refused
from pilothouse.engine.controllers.own_kinds import installed
from pilothouse.model import address_pools as pools
from pilothouse.model import meta, selector
from pilothouse.model.cluster_network import BGP, CLUSTERNETWORKS, NAME
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NAMESPACES, NODES, SERVICES
from pilothouse.model.load_balancers import (
    ALLOCATED_FROM,
    BGPADVERTISEMENTS,
    CLEANUP,
    GROUP,
    IPADDRESSPOOLS,
    L2ADVERTISEMENTS,
    NAMESPACE,
    SERVICEL2STATUSES,
    Address,
    ingress,
    is_balanced,
    is_local,
    service_keys,
    serving_nodes,
)

log = structlog.get_logger("controllers.loadbalancer")

SETTLE_S = 0.2
ALL, WAITING = "*all", "*waiting"
"""Keys that stand for all Services with load balancers, and for those that have not what they ask for."""


class LoadBalancerController:
    """own_networks: of pods and Services, in which no pool may lie."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        own_networks: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._networks = tuple(ipaddress.ip_network(cidr) for cidr in own_networks if cidr)
        self._services = Fresh(informers.of(SERVICES))
        self._nodes = informers.of(NODES)
        self._namespaces = informers.of(NAMESPACES)
        self._slices = informers.of(ENDPOINTSLICES, indexes={"service": service_keys})
        self._own = Informers(informers.client)
        self._pools = self._own.of(IPADDRESSPOOLS, namespace=NAMESPACE)
        # Not waited for: BGP is a part of its own, and without it the kind is not there.
        self._by_bgp = Informers(informers.client)
        self._by_link = self._own.of(L2ADVERTISEMENTS, namespace=NAMESPACE)
        self._to_routers = self._by_bgp.of(BGPADVERTISEMENTS, namespace=NAMESPACE)
        self._networks_read = Informers(informers.client)
        self._network = self._networks_read.of(CLUSTERNETWORKS)
        self._announced = self._own.of(SERVICEL2STATUSES, namespace=NAMESPACE)
        self._given = Assignments()
        self._node_ports: Counter[str] = Counter()
        self._waiting: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._read: pools.Pools | None = None
        self._addresses = NodeAddresses(self._networks)
        self._doubts = NodeReport(recorder)
        self._report = PoolReport(client, recorder, clock)
        self._controller = Controller("load-balancer", self.reconcile)
        self._services.informer.on_change(self._service_changed)
        self._nodes.on_change(self._node_changed)
        self._namespaces.on_change(self._namespace_changed)
        self._slices.on_change(self._slice_changed)
        self._pools.on_change(self._pool_changed)
        for informer in (self._by_link, self._to_routers, self._network):
            informer.on_change(lambda old, new: self._later(WAITING))

    async def run(self, ready: asyncio.Event | None = None) -> None:
        if ready is not None:
            ready.set()
        await installed(lambda: install(self._client), "address pools")
        for informer in (self._services.informer, self._nodes, self._namespaces, self._slices):
            await informer.wait_synced()
        async with scope() as tasks:
            tasks.spawn(self._own.run(), name="informers of address pools")
            tasks.spawn(self._by_bgp.run(), name="informers of BGP advertisements")
            tasks.spawn(self._networks_read.run(), name="informer of the ClusterNetwork")
            # Without the pools known, Services with addresses of theirs would lose these.
            await self._own.wait_synced()
            self._later(ALL)
            await self._controller.run()

    async def reconcile(self, key: str) -> float | None:
        if key in (ALL, WAITING):
            await self._many(key)
            return None
        service = self._services.get(key)
        if service is None or meta.is_deleting(service) or not is_balanced(service):
            self._waiting.pop(key, None)
            if service is not None:
                await self._release(service)
            return None
        await self._grant(service)
        return None

    async def _grant(self, service: Object) -> None:
        try:
            found = self._choose(service)
        except Refused as refused:
            await self._refuse(service, str(refused))
            return
        key = meta.key(service)
        self._waiting.pop(key, None)
        if found.remark and self._say_once(service, found.remark):
            self._recorder.say(service, "Warning", "AddressNotUsed", f"not at every node: {found.remark}")
        service = await self._mark(service, found.pool)
        await self._write(service, _entries(service, found.addresses))

    def _choose(self, service: Object) -> Grant:
        found = self._pools_read()
        if not found.given:
            serving = serving_nodes(self._slices.by_index("service", meta.key(service))) if is_local(service) else None
            own = set(self._ports_of(service))
            node_ports = {port for port, count in self._node_ports.items() if count > (port in own)}
            return from_nodes.choose(service, from_nodes.Nodes(self._addresses.believed(), serving, node_ports), self._given)
        namespace = self._namespaces.get(meta.namespace(service))
        return from_pools.choose(service, meta.labels(namespace or {"metadata": {}}), found, self._given, self._addresses.believed())

    async def _refuse(self, service: Object, why: str) -> None:
        self._waiting[meta.key(service)] = why
        if ingress(service):
            shown = ", ".join(each.get("ip", "") for each in ingress(service))
            self._recorder.say(service, "Warning", "ClearAssignment", f"{shown} is taken from this Service: {why}"[:1000])
        if self._say_once(service, why):
            self._recorder.say(service, "Warning", "AllocationFailed", f"no address for this Service: {why}"[:1000])
        await self._write(await self._mark(service, ""), [])

    def _say_once(self, service: Object, why: str) -> bool:
        """Whether it is something else than was said of the Service last."""
        key = meta.key(service)
        is_new = self._said.get(key) != why
        self._said[key] = why
        return is_new

    async def _mark(self, service: Object, pool: str) -> Object:
        """With the finalizer, before there is anything to clean up, and the name of the pool."""
        name = f"{GROUP}/{ALLOCATED_FROM}"
        finalizers = meta.finalizers(service)
        if CLEANUP in finalizers and meta.annotations(service).get(name, "") == pool:
            return service
        metadata: Object = {"resourceVersion": meta.resource_version(service), "annotations": {name: pool or None}}
        if CLEANUP not in finalizers:
            metadata["finalizers"] = [*finalizers, CLEANUP]
        return self._wrote(
            await self._client.patch(SERVICES, meta.name(service), {"metadata": metadata}, namespace=meta.namespace(service))
        )

    async def _write(self, service: Object, entries: list[Object]) -> None:
        before = ingress(service)
        if before == entries:
            return
        shown = ", ".join(each["ip"] for each in entries)
        patch = {"metadata": {"resourceVersion": meta.resource_version(service)}, "status": {"loadBalancer": {"ingress": entries or None}}}
        self._wrote(await self._client.patch(SERVICES, meta.name(service), patch, namespace=meta.namespace(service), subresource="status"))
        had = ", ".join(each.get("ip", "") for each in before)
        if had and shown and had != shown:
            self._recorder.say(service, "Warning", "AddressChanged", f"this Service is reached at {shown} now and no more at {had}"[:1000])
        elif shown and not had:
            self._recorder.say(service, "Normal", "IPAllocated", f"Assigned IP {shown}")

    async def _release(self, service: Object) -> None:
        """What this controller has written into a Service that is not its any more; the API server clears the status itself."""
        if not is_balanced(service) and (service.get("spec") or {}).get("type") == "LoadBalancer":
            return
        finalizers = meta.finalizers(service)
        name = f"{GROUP}/{ALLOCATED_FROM}"
        if CLEANUP not in finalizers and name not in meta.annotations(service):
            return
        metadata: Object = {
            "resourceVersion": meta.resource_version(service),
            "finalizers": [each for each in finalizers if each != CLEANUP],
            "annotations": {name: None},
        }
        try:
            written = await self._client.patch(SERVICES, meta.name(service), {"metadata": metadata}, namespace=meta.namespace(service))
        except NotFound:
            return
        if not meta.is_deleting(written):
            self._wrote(written)

    def _wrote(self, service: Object) -> Object:
        self._services.wrote(service)
        self._note(service)
        return service

    def _note(self, service: Object) -> None:
        """What the Service has now: others may wait for what it has given up, and the pools say how full they are."""
        if self._given.put(service):
            self._later(WAITING)

    async def _many(self, key: str) -> None:
        """Look at all Services that it may matter to, and say how the pools stand."""
        services = self._services.informer.items()
        if key == ALL:
            self._read = None
            chosen = [meta.key(each) for each in services if is_balanced(each)]
        else:
            chosen = list(self._waiting)
        for each in chosen:
            self._controller.queue.add(each)
        believed = self._addresses.believed()
        self._doubts.tell(self._nodes, believed, self._given)
        await self._report.tell(self._pools.items(), self._pools_read(), self._given, believed.owners, self._silence)
        await self._forget_announcements()

    async def _forget_announcements(self) -> None:
        """Of Services that are gone: the node that has announced them may be gone as well."""
        for each in self._announced.items():
            status = each.get("status") or {}
            service = self._services.get(f"{status.get('serviceNamespace')}/{status.get('serviceName')}")
            if status and (service is None or not is_balanced(service)):
                try:
                    await self._client.delete(SERVICEL2STATUSES, meta.name(each), NAMESPACE, uid=meta.uid(each))
                except NotFound:
                    continue

    def _silence(self, pool: Object) -> str:
        """Why nobody is told where the pool's addresses are; "" where somebody is."""
        if any(_is_for(each, pool) for each in self._by_link.items()):
            return ""
        network = self._network.get(NAME)
        backend = BGP if network is None else network["spec"]["backend"]
        if not any(_is_for(each, pool) for each in self._to_routers.items()):
            return (
                "no L2Advertisement or BGPAdvertisement is for this pool, so nobody is told where its addresses are: make an"
                f" L2Advertisement in the namespace {NAMESPACE}, unless a router leads them to the nodes"
            )
        if backend == BGP:
            return ""
        return (
            f"a BGPAdvertisement alone is for this pool, and nodes whose back end is {backend} speak no BGP, so nobody is told where its"
            f" addresses are: `ph network set --backend bgp`, or make an L2Advertisement in the namespace {NAMESPACE}"
        )

    def _pools_read(self) -> pools.Pools:
        if self._read is None:
            self._read = pools.read(self._pools.items(), self._networks)
        return self._read

    def _later(self, key: str) -> None:
        self._controller.queue.add_after(key, SETTLE_S)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        for port in self._ports_of(old):
            self._node_ports[port] -= 1
        self._node_ports.update(self._ports_of(new))
        self._node_ports += Counter()
        if new is None:
            if old is not None and (key := meta.key(old)):
                self._said.pop(key, None)
                self._waiting.pop(key, None)
                if self._given.remove(key):
                    self._later(WAITING)
            return
        key = meta.key(new)
        before = self._given.has(key)
        self._note(self._services.get(key) or new)
        if is_balanced(new) or (old is not None and is_balanced(old)) or CLEANUP in meta.finalizers(new):
            self._controller.queue.add(key)
        if old is not None and old["spec"] != new["spec"]:
            # Who shares an address with it, and is younger, may have to leave.
            for each in before:
                for other in self._given.others(each, key):
                    self._controller.queue.add(other.service)

    def _ports_of(self, service: Object | None) -> list[str]:
        ports = ((service or {}).get("spec") or {}).get("ports") or ()
        return [f"{(each.get('protocol') or 'TCP').lower()}/{each['nodePort']}" for each in ports if each.get("nodePort")]

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            is_other = old is not None and self._addresses.remove(meta.name(old))
        else:
            # Where there are pools it does not matter what listens on nodes, which may change often.
            is_other = self._addresses.put(new, with_ports=not self._pools.items())
        if is_other:
            self._later(ALL)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and meta.labels(old) != meta.labels(new):
            self._later(ALL)

    def _pool_changed(self, old: Object | None, new: Object | None) -> None:
        if (old or {}).get("spec") != (new or {}).get("spec"):
            self._read = None
            self._later(ALL)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for key in service_keys(new or old or {"metadata": {}}):
            service = self._services.get(key)
            if service is not None and is_balanced(service) and is_local(service) and not self._pools.items():
                self._controller.queue.add(key)


def _entries(service: Object, addresses: Iterable[Address]) -> list[Object]:
    ports = [{"port": each["port"], "protocol": each.get("protocol") or "TCP"} for each in service["spec"].get("ports") or ()]
    return [{"ip": str(each), "ipMode": "VIP", "ports": ports} for each in addresses]


def _is_for(advertisement: Object, pool: Object) -> bool:
    """One that is not understood is for none."""
    spec = advertisement.get("spec") or {}
    names, selectors = spec.get("ipAddressPools") or (), spec.get("ipAddressPoolSelectors") or ()
    try:
        is_selected = any(selector.from_label_selector(each).matches(meta.labels(pool)) for each in selectors)
    except selector.SelectorError:
        return False
    return is_selected or meta.name(pool) in names or not (names or selectors)
