"""The platform's controllers in the simulated cluster: apps, builds and the gateway with an Envoy that takes everything at once."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pilothouse.aio.tasks import scope
from pilothouse.client import crds
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds
from pilothouse.platform.apps.controller import AppController
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds.controller import BuildController, BuildSettings
from pilothouse.platform.builds.pod import SYSTEM, BuilderConfig
from pilothouse.platform.builds.types import BUILD
from pilothouse.platform.gateway.admin import Hosts, HostState
from pilothouse.platform.gateway.controller import Gateway, GatewayConfig
from pilothouse.platform.gateway.envoy import Files, Listening
from tests.simulation.cluster import Simulated

BUILDER = "builder:1"
LISTENING = Listening(("127.0.0.1",), 80, 443)


class FakeEnvoy:
    """As an EnvoyProcess and its Admin. asked: how often it was asked what it has taken."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.admin = self
        self.asked = 0

    def running_pid(self) -> int:
        return 1

    async def ensure(self) -> int:
        return 1

    async def stop(self) -> None:
        return

    async def is_ready(self) -> bool:
        return True

    async def listening(self) -> set[tuple[str, int]]:
        return {(address, port) for address in LISTENING.addresses for port in LISTENING.ports}

    async def hosts(self) -> Hosts:
        self.asked += 1
        found: Hosts = {}
        for path in (self.files.folder / "endpoints").glob("[!.]*"):
            (written,) = json.loads(path.read_text())["resources"]
            places = [each for group in written["endpoints"] for each in group["lb_endpoints"]]
            found[written["cluster_name"]] = dict(map(_host, places))
        return found


def _host(place: Any) -> tuple[tuple[str, int], HostState]:
    address = place["endpoint"]["address"]["socket_address"]
    return (address["address"], address["port_value"]), HostState(place["health_status"] == "DRAINING", 0)


@asynccontextmanager
async def with_platform(cluster: Simulated, folder: Path) -> AsyncIterator[FakeEnvoy]:
    client = cluster.client
    await crds.install(client, [APP, BUILD])
    await cluster.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
    informers, recorder = Informers(client), Recorder(client, None, "pilothouse")
    around = Surroundings(registry="127.0.0.1:5000", hosts_by_namespace=True)
    settings = BuildSettings(BuilderConfig(BUILDER, "127.0.0.1:5000", "/var/x", stand_ins=False), None)
    gateway = Gateway(
        client,
        informers,
        recorder,
        GatewayConfig(folder / "gateway", folder / "log", LISTENING, "sim"),
        cluster.barrier,
    )
    envoy: Any = FakeEnvoy(gateway.files)
    gateway.envoy = envoy
    apps, builds = AppController(client, informers, recorder, around), BuildController(client, informers, recorder, settings)
    async with scope() as tasks:
        tasks.spawn(recorder.run(), name="platform events")
        await tasks.start(informers.run)
        await tasks.start(gateway.run)
        await tasks.start(apps.run)
        await tasks.start(builds.run)
        yield envoy
        tasks.cancel()
