"""What the proxy says of Services that it does not route as they ask; no kernel takes part."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

from pilothouse.aio.tasks import running
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.recorder import Recorder
from pilothouse.model.json import Object
from pilothouse.model.kinds import SERVICES
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig
from pilothouse.network.service.plan import NOTHING
from tests.network.cluster import FakeCluster, service

CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidr="10.244.0.0/24", service_cidr="10.96.0.0/12")
HTTP: Object = {"name": "http", "protocol": "TCP", "port": 80}


@dataclass
class FakeRecorder:
    said: list[tuple[str, str]] = field(default_factory=list)

    def say(self, obj: Object, type_: str, reason: str, message: str) -> None:
        self.said.append((reason, message))


async def test_a_service_that_names_addresses_of_the_cluster_hears_of_it_once() -> None:
    cluster, recorder = FakeCluster(), FakeRecorder()
    informers = cluster.informers()
    proxy = ServiceProxy(informers, EndpointBarrier(), CONFIG, recorder=cast("Recorder", recorder))
    services = informers.of(SERVICES)
    await cluster.put(SERVICES, service("taker", HTTP, externalIPs=["10.96.0.10", "192.0.2.1"]))
    async with running(informers.run), asyncio.timeout(5):
        await services.wait_synced()
        for _ in range(2):
            proxy._book.change({"default/taker": proxy._fragment("default/taker")})
        ((reason, message),) = recorder.said
        assert (reason, "10.96.0.10:" in message, "192.0.2.1" in message) == ("ExternalIPNotRouted", True, False)
        assert proxy._fragment("default/gone") == NOTHING
