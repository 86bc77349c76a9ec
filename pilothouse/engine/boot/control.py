"""The control plane in one process:

    store -> API server -> listeners
                 |-> controllers, scheduler: each a client in this process, signed in as itself

Store and API server are what the process is for: they are started until they run, and end it when they fail. Everything else is a
component of the supervisor's and fails alone.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pilothouse.aio.clock import Clock, SystemClock
from pilothouse.aio.supervisor import Supervisor
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.parts import Part
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.apiserver.aggregator.front_proxy import FrontProxy
from pilothouse.engine.apiserver.authz.secrets import SecretReader
from pilothouse.engine.apiserver.identity import CONTROLLER_MANAGER, User, controller
from pilothouse.engine.apiserver.identity import SCHEDULER as SCHEDULER_USER
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.kubelet.by_node import ByNode
from pilothouse.engine.apiserver.kubelet.connector import RemoteNode
from pilothouse.engine.apiserver.kubelet.drivers import NodeDrivers
from pilothouse.engine.apiserver.kubelet.node import KubeletNode
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.volumes import Connect, NodeVolumes, connecting
from pilothouse.engine.apiserver.nodes import NodeConnector
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.resource_metrics.scraper import LEAST_S, RESOLUTION_S
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings as ApiSettings
from pilothouse.engine.boot import store_room
from pilothouse.engine.boot.audit import AuditConfig, auditing
from pilothouse.engine.boot.certificates import keep_certificates
from pilothouse.engine.boot.store_room import StoreRoom
from pilothouse.engine.controllers.controllers import makers
from pilothouse.engine.controllers.ipam.ranges import PodRanges, pod_ranges
from pilothouse.engine.controllers.podautoscaler.controller import SYNC_S
from pilothouse.engine.identities import Identities
from pilothouse.engine.scheduler.config.types import SchedulerConfig
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.engine.store import keyring
from pilothouse.engine.store.encryption import Encryption
from pilothouse.engine.store.room import QUOTA_BYTES
from pilothouse.engine.store.rotation import Rotation
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.networks import parse
from pilothouse.model.scheduling import DEFAULT_SCHEDULER
from pilothouse.wire import Limits, Server, serve
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import server_context

BODY_BYTES = 3 << 20
"""The largest request body, as upstream's."""
SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter from the store's writer thread. Python's 5 ms, a handful of times a batch, would hold
up all writes whenever the loop is busy: 60 a second were measured beside a saturated loop instead of 3,000."""
SCHEDULER = "scheduler"
SERVED = frozenset(kind.resource for kind in BUILT_IN.values())
_MANAGER = "kube-controller-manager"
"""Whose the fields are that controllers set, under the name by which clients tell them from people's."""
ENCRYPTED = ("/secrets/",)
"""The store's prefixes whose objects are encrypted on disk."""

Noted = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """name: of the cluster in kubeconfigs. addresses: that the API server listens on, the first one for the administrator.

    for_nodes: further addresses, by which nodes reach it that are not on this machine, or in a network namespace of it; likewise.
    internal: by which pods reach it, an address of each family, the primary one first; they need not be there yet. node_name,
    node_socket: the node of this machine and its server. kubelet_host: where that node's kubelet API listens.
    keys: the file with the keys that encrypt Secrets in the store; made when it is missing. store_quota_bytes: of all API objects
    together, as JSON. cluster_roles, cluster_role_bindings, secret_readers: of parts beside the engine's own.
    service_cidrs, pod_cidrs, node_cidrs: one, or one of each IP family, the primary one first. service_addresses: of the Service
    `kubernetes`, which has the first of them. dns_addresses: of the Service kube-dns, none for none.
    audit: None to record nothing. pod_cidrs: of all pods, none when they are not known. node_cidrs: the part of each that the node of this
    machine has, as long as every node's; none: nodes are given none. allowed_sysctls: that pods may set beside the safe ones.
    admission_plugins: see `ApiSettings`.
    node_config: what nodes are told of parts beside the engine's own. autoscaler_sync_s: how often autoscalers look at their metrics.
    scheduler: its profiles.
    simulated_nodes: how many nodes there are to be that are no machines.
    """

    name: str
    store: Path
    keys: Path
    pki: Path
    cache: Path
    kubeconfig: Path
    addresses: tuple[str, ...]
    internal: tuple[str, ...]
    port: int
    service_cidrs: tuple[str, ...]
    service_addresses: tuple[str, ...]
    node_ports: tuple[int, int]
    cluster_domain: str
    node_name: str
    node_socket: Path
    for_nodes: tuple[str, ...] = ()
    kubelet_host: str = "127.0.0.1"
    dns_addresses: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    node_cidrs: tuple[str, ...] = ()
    allowed_sysctls: Sequence[str] = ()
    admission_plugins: Sequence[str] = ()
    node_config: Mapping[str, str] = field(default_factory=dict)
    store_quota_bytes: int = QUOTA_BYTES
    cluster_roles: Sequence[Object] = ()
    cluster_role_bindings: Sequence[Object] = ()
    secret_readers: Sequence[SecretReader] = ()
    audit: AuditConfig | None = None
    autoscaler_sync_s: float = SYNC_S
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    simulated_nodes: int = 0


class ControlPlane:
    """noted: called with each step of the start once it is done."""

    def __init__(
        self,
        config: ControlConfig,
        decisions: DecisionLog,
        supervisor: Supervisor,
        noted: Noted = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.decisions = decisions
        self.supervisor = supervisor
        self.noted = noted
        self.clock = SystemClock() if clock is None else clock

    @asynccontextmanager
    async def open(self) -> AsyncIterator["ControlPlane"]:
        """Run the control plane for the block, which is entered when its API answers and its controllers work."""
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        async with AsyncExitStack() as stack:
            identities = await self._identities()
            store = await self.supervisor.persist("store", lambda: stack.enter_async_context(self._store()))
            self.supervisor.spawn(store.failure())
            self.supervisor.spawn(Rotation(store, self._encryption, self.config.keys).run())
            proxy = self._proxy(identities)
            nodes = ByNode(partial(self._reach, proxy, RemoteNode(self.config.node_socket)))
            auditor = await stack.enter_async_context(auditing(self.config.audit, self.supervisor))
            settings = replace(self._api_settings(identities), auditor=auditor)
            self._server = await stack.enter_async_context(ApiServer.open(store, settings, nodes))
            self._server.backend.proxy = proxy
            await self._listen(stack, identities)
            self.noted("API server")
            self.supervisor.start(store_room.NAME, StoreRoom(store).run)
            self._start_controllers(identities)
            await self.supervisor.ready(SCHEDULER, *self._controllers)
            self.noted("controllers")
            yield self

    def client(self, user: User, manager: str = "") -> Client:
        """A client in this process, signed in as the user; the API server authorizes it like any other.

        manager: whose the fields are that it sets, "" for the last part of the user's name.
        """
        return Client(InProcessTransport(self._server, user), field_manager=manager or user.name.rpartition(":")[2])

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        keys = await asyncio.to_thread(keyring.ensure, self.config.keys)
        self._encryption = Encryption(keys, ENCRYPTED, str(self.config.keys))
        async with Store.open(self.config.store, quota_bytes=self.config.store_quota_bytes, sealing=self._encryption) as store:
            yield store

    async def _identities(self) -> Identities:
        identities = Identities(self.config.pki, self.clock.now)
        await self._renew(identities)
        return identities

    async def _renew(self, identities: Identities) -> bool:
        """Whether certificates have been made anew."""
        config = self.config
        names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            f"kubernetes.default.svc.{config.cluster_domain}",
        ]
        url = f"https://{config.addresses[0]}:{config.port}"
        return await asyncio.to_thread(
            identities.ensure,
            config.kubeconfig,
            url,
            names,
            self._addresses(),
            cluster=config.name,
            node=config.node_name,
            node_addresses=sorted({"127.0.0.1", *config.internal, config.kubelet_host}),
        )

    def _addresses(self) -> list[str]:
        """Under which the API server is reached."""
        config = self.config
        return sorted({*config.addresses, *config.for_nodes, *config.internal, *config.service_addresses, "127.0.0.1"})

    async def _keep_certificates(self, identities: Identities, context: ssl.SSLContext, ready: asyncio.Event) -> None:
        ready.set()
        await keep_certificates(lambda: self._renew(identities), context, identities.server, self.clock)

    def _reach(self, proxy: KubeletProxy, own: RemoteNode, name: str) -> NodeConnector:
        """The node of this machine over its socket, which works without certificates; the others by their kubelet API."""
        if name == self.config.node_name:
            return own
        return KubeletNode(name, lambda: Objects(self._server.backend.store).get(NODES, "", name), proxy)

    def _node_volumes(self, identities: Identities) -> NodeVolumes:
        return NodeVolumes(self._connecting(identities))

    def _connecting(self, identities: Identities) -> Connect:
        def node(name: str) -> Object | None:
            return Objects(self._server.backend.store).get(NODES, "", name)

        return connecting(self.config.node_name, self.config.node_socket, node, self._proxy(identities))

    def _driver_calls(self, identities: Identities) -> NodeDrivers:
        return NodeDrivers(self._connecting(identities))

    def _proxy(self, identities: Identities) -> KubeletProxy:
        hosts = {self.config.node_name: self.config.kubelet_host}
        return KubeletProxy(identities.kubelet_client, identities.ca, hosts, self._addresses())

    def _api_settings(self, identities: Identities) -> ApiSettings:
        first, last = self.config.node_ports
        return ApiSettings(
            state=self.config.cache,
            host=self.config.internal[0],
            port=self.config.port,
            ca=identities.ca.read_text(),
            service_cidrs=self.config.service_cidrs,
            dns_addresses=self.config.dns_addresses,
            pod_cidrs=self.config.pod_cidrs,
            node_prefixes=[network.prefixlen for network in parse(self.config.node_cidrs)],
            allowed_sysctls=self.config.allowed_sysctls,
            admission_plugins=self.config.admission_plugins,
            cluster_domain=self.config.cluster_domain,
            node_config=self.config.node_config,
            node_ports=range(first, last + 1),
            cluster_roles=self.config.cluster_roles,
            cluster_role_bindings=self.config.cluster_role_bindings,
            secret_readers=self.config.secret_readers,
            metrics_resolution_s=_resolution_s(self.config.autoscaler_sync_s),
            scheduler_names=self.config.scheduler.names,
            front_proxy=FrontProxy(*identities.front_proxy, identities.front_proxy_ca),
        )

    async def _listen(self, stack: AsyncExitStack, identities: Identities) -> None:
        certificate, key = identities.server
        context = server_context(certificate, key, identities.ca)

        self.supervisor.start("certificates", partial(self._keep_certificates, identities, context))

        async def listen(address: str) -> Server:
            limits, body_limit = Limits(body_bytes=BODY_BYTES), self._server.body_limit
            return await serve(self._server.handle, address, self.config.port, tls=context, limits=limits, body_limit=body_limit)

        for address in dict.fromkeys(self.config.addresses):
            server = await self.supervisor.persist(f"API on {address}", lambda address=address: listen(address))  # type: ignore[misc]
            await stack.enter_async_context(server)

        async def keep_listening(address: str, ready: asyncio.Event) -> None:
            """The address may come later than the API server: nodes bring up the bridges that have it."""
            async with await listen(address):
                ready.set()
                await asyncio.Event().wait()

        later = {address: f"API for pods on {address}" if place else "API for pods" for place, address in enumerate(self.config.internal)}
        later |= {address: f"API for nodes on {address}" for address in self.config.for_nodes}
        for address, name in later.items():
            if address not in self.config.addresses:
                self.supervisor.start(name, partial(keep_listening, address))

    def _pod_ranges(self) -> tuple[PodRanges, ...]:
        if not self.config.node_cidrs:
            return ()
        return pod_ranges(parse(self.config.pod_cidrs), parse(self.config.node_cidrs), self.config.node_name)

    def _start_controllers(self, identities: Identities) -> None:
        """All read from one set of caches, which is the controller manager's; each writes as itself."""
        client, scheduling = self.client(CONTROLLER_MANAGER), self.client(SCHEDULER_USER)
        informers = Informers(client)
        recorder = Recorder(client, self.decisions, "controller-manager")
        placing = Recorder(scheduling, self.decisions, DEFAULT_SCHEDULER)
        makers_of = makers(
            lambda name: self.client(controller(name), _MANAGER),
            informers,
            recorder,
            root_ca=identities.ca.read_text(),
            authority=partial(CertificateAuthority.load, self.config.pki, now=self.clock.now),
            pod_ranges=self._pod_ranges(),
            own_addresses=self._addresses(),
            own_networks=(*self.config.pod_cidrs, *self.config.service_cidrs),
            node_volumes=self._node_volumes(identities),
            driver_calls=self._driver_calls(identities),
            autoscaler_sync_s=self.config.autoscaler_sync_s,
            simulated_nodes=self.config.simulated_nodes,
        )
        parts = {name: Part(informers, make) for name, make in makers_of.items()}
        profiles = self.config.scheduler
        parts[SCHEDULER] = Part(informers, lambda: Scheduler(scheduling, informers, placing, served=SERVED, config=profiles))
        self._controllers = tuple(parts)
        self.supervisor.start("events", recorder.run)
        self.supervisor.start("scheduler events", placing.run)
        self.supervisor.start("informers", informers.run)
        for name, part in parts.items():
            self.supervisor.start(name, part.run)


def _resolution_s(sync_s: float) -> float:
    """How often nodes are asked what they use: for quick autoscalers twice a round, so that figures are half a round old on average."""
    return RESOLUTION_S if sync_s >= RESOLUTION_S else max(LEAST_S, sync_s / 2)
