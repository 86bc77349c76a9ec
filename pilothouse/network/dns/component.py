"""The cluster's DNS as a component: listens, keeps itself shown in the API, answers until cancelled."""

import asyncio

import structlog

from pilothouse.aio.tasks import TaskSet, first_of, is_set
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES
from pilothouse.model.node_objects import NAMESPACE, dns_slice_name
from pilothouse.network.dns import server
from pilothouse.network.dns.config import ClusterDNSConfig
from pilothouse.network.dns.publish import publish
from pilothouse.network.dns.resolver import Resolver
from pilothouse.network.dns.upstream import Upstream
from pilothouse.network.dns.zone import Zone

log = structlog.get_logger("network.dns")
PUBLISH_RETRY_S = (0.2, 5.0)
INSPECT_S = 60.0
"""How often what is shown is looked at without news of it: the slice may name a Node that is gone."""


class CannotListen(Exception):
    """The DNS server's address is taken or not there; the text names it."""


class ClusterDNS:
    """client: signed in as the node. informers: asked for what is needed when this is made.

    The address must be there (the pod network's bridge) when it runs.
    """

    def __init__(self, client: Client, informers: Informers, config: ClusterDNSConfig) -> None:
        self.config = config
        self._client = client
        self._zone = Zone(informers, config)
        self._lost = asyncio.Event()
        informers.of(ENDPOINTSLICES).on_change(self._slice_changed)
        ours = {(config.address, config.port), (config.cluster_ip, 53)}
        self._resolver = Resolver(self._zone, Upstream(config.upstream, config.resolv_conf, ours))

    async def run(self, ready: asyncio.Event) -> None:
        """Raises CannotListen, publish.AddressTaken."""
        await self._zone.wait_synced()
        tasks = TaskSet()
        transport, stream_server = await self._listen(tasks)
        try:
            port = transport.get_extra_info("sockname")[1]
            await self._publish(port)
            log.info("cluster DNS ready", address=self.config.address, port=port, zone=self.config.zone)
            ready.set()
            await first_of(stream_server.serve_forever(), self._keep_published(port))
        finally:
            stream_server.close()
            transport.close()
            await tasks.close()

    def teardown(self) -> None:
        """Nothing of this part stays on the machine: its sockets end with `run`."""

    async def _listen(self, tasks: TaskSet) -> server.Listening:
        try:
            return await server.listen(self._resolver, tasks, self.config.address, self.config.port)
        except OSError as error:
            where = f"{self.config.address}:{self.config.port}"
            raise CannotListen(f"cluster DNS cannot listen on {where}: {error.strerror or error}") from error

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None and meta.key(old) == f"{NAMESPACE}/{dns_slice_name(self.config.node)}":
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
