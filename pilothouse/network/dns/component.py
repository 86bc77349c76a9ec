"""The cluster's DNS as a component: listens, keeps itself shown in the API, answers until cancelled."""

import asyncio
from collections.abc import Iterable
from typing import cast

import structlog

from pilothouse.aio.tasks import TaskSet, is_set
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, ENDPOINTSLICES, PODS
from pilothouse.model.node_objects import DNS_CONFIG, NAMESPACE, dns_slice_names
from pilothouse.network.dns import server
from pilothouse.network.dns.config import ClusterDNSConfig
from pilothouse.network.dns.configured import Configured
from pilothouse.network.dns.corefile.types import RESOLV_CONF, Forward
from pilothouse.network.dns.publish import publish
from pilothouse.network.dns.resolver import Resolver
from pilothouse.network.dns.searching import BY_ADDRESS, SearchPaths, pod_addresses
from pilothouse.network.dns.standby.handover import Keeper, Taken, take_over
from pilothouse.network.dns.upstream import Sockets, Upstream
from pilothouse.network.dns.zone import Zone

log = structlog.get_logger("network.dns")
PUBLISH_RETRY_S = (0.2, 5.0)
INSPECT_S = 60.0
"""How often what is shown is looked at without news of it: the slice may name a Node that is gone."""


CONFIGURATION_PATIENCE_S = 5.0
"""An API server that does not show configuration or pods does not keep names from being answered."""


class CannotListen(Exception):
    """The DNS server's address is taken or not there; the text names it."""


class ClusterDNS:
    """client: signed in as the node. informers: asked for what is needed when this is made. recorder: hears of configurations refused.

    The addresses must be there (the pod network's) when it runs.
    """

    def __init__(self, client: Client, informers: Informers, config: ClusterDNSConfig, *, recorder: Recorder | None = None) -> None:
        self.config = config
        self._client = client
        self._zone = Zone(informers, config)
        self._lost = asyncio.Event()
        self._sockets = Sockets()
        self._slice_keys = {f"{NAMESPACE}/{name}" for name in dns_slice_names(config.node)}
        informers.of(ENDPOINTSLICES).on_change(self._slice_changed)
        self._pods = informers.of(PODS, field_selector=f"spec.nodeName={config.node}", indexes={BY_ADDRESS: pod_addresses})
        self._maps = informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={DNS_CONFIG}")
        searches = SearchPaths(self._pods, self._zone.origin, config.resolv_conf)
        self._resolver = Resolver(self._zone, self._upstream, searches=searches)
        self._configured = Configured(self._maps, config, recorder, self._resolver.configure)

    async def run(self, ready: asyncio.Event) -> None:
        """Raises CannotListen, publish.AddressTaken."""
        await self._zone.wait_synced()
        await self._wait_configured()
        tasks = TaskSet()
        tasks.start(self._configured.run(), name="DNS configuration")
        listening = await self._listen(tasks)
        try:
            await self._publish(listening.port)
            log.info("cluster DNS ready", addresses=self.config.addresses, port=listening.port, zone=self.config.zone)
            ready.set()
            await self._keep_published(listening.port)
        finally:
            listening.close()
            await tasks.close()

    def _upstream(self, forward: Forward) -> Upstream:
        config = self.config
        ours = {*((address, config.port) for address in config.addresses), *((address, 53) for address in config.cluster_ips)}
        servers = config.upstream if forward.servers == (RESOLV_CONF,) else forward.servers
        return Upstream(servers, config.resolv_conf, ours, most=forward.max_concurrent, sockets=self._sockets)

    async def _wait_configured(self) -> None:
        try:
            async with asyncio.timeout(CONFIGURATION_PATIENCE_S):
                await self._maps.wait_synced()
                await self._pods.wait_synced()
        except TimeoutError:
            log.warning("cluster DNS begins without its configuration: the API server does not show it yet")

    async def _listen(self, tasks: TaskSet) -> server.Listening:
        config = self.config
        taken = Taken() if config.standby is None else await asyncio.to_thread(take_over, config.standby)
        try:
            listening = await server.listen(self._resolver, tasks, config.addresses, config.port, taken.sockets)
            self._answer_again(listening, taken)
            prepared = asyncio.Event()
            tasks.start(self._prepare(taken.known, prepared), name="DNS answers")
            if config.standby is not None:
                keeper = Keeper(config.standby, listening.sockets, self._resolver.answers, prepared, taken.earlier)
                taken.earlier = None
                tasks.start(keeper.run(), name="DNS standby")
            return listening
        except OSError as error:
            where = f"{' and '.join(self.config.addresses)}, port {self.config.port}"
            raise CannotListen(f"cluster DNS cannot listen on {where}: {error.strerror or error}") from error
        finally:
            taken.close()

    async def _prepare(self, keys: Iterable[bytes], prepared: asyncio.Event) -> None:
        await self._pods.wait_synced()
        await self._resolver.prepare(keys)
        prepared.set()

    def _answer_again(self, listening: server.Listening, taken: Taken) -> None:
        """The questions that came while no server was there."""
        servers = dict(zip(self.config.addresses, listening.datagrams, strict=True))
        for (_, address), question, asker in taken.waiting:
            if address in servers:
                servers[address].again(question, cast("tuple[str, int]", asker))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None and meta.key(old) in self._slice_keys:
            self._lost.set()

    async def _keep_published(self, port: int) -> None:
        """Somebody may delete the slice, and it goes with its Node, which comes again by itself."""
        while True:
            await is_set(self._lost, INSPECT_S)
            self._lost.clear()
            await asyncio.sleep(PUBLISH_RETRY_S[0])
            await self._publish(port)

    async def _publish(self, port: int) -> None:
        """The API server may still be on its way up: pods' names are answered meanwhile."""
        delay_s, most_s = PUBLISH_RETRY_S
        while True:
            try:
                return await publish(self._client, self.config, port)
            except ApiError as error:
                log.info("cannot show cluster DNS in the API yet", error=error.message, retry_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, most_s)
