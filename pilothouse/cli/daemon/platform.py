"""Wires the platform's capabilities, for the embedded engine (daemon) and for any other cluster (`ph run platform`)."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client import crds
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.model import kinds
from pilothouse.model.errors import AlreadyExists
from pilothouse.platform.apps.controller import AppController
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds import environment
from pilothouse.platform.builds.bases import Bases
from pilothouse.platform.builds.controller import BuildController, BuildSettings
from pilothouse.platform.builds.keeper import EnvironmentKeeper
from pilothouse.platform.builds.offers import offered
from pilothouse.platform.builds.pod import SYSTEM, BuilderConfig
from pilothouse.platform.builds.types import BUILD
from pilothouse.platform.gateway.controller import Gateway, GatewayConfig
from pilothouse.platform.gateway.envoy import Listening
from pilothouse.platform.registry.garbage import GarbageCollector
from pilothouse.platform.registry.server import RegistryConfig, RegistryServer

INFO = "pilothouse"
"""ConfigMap in the system namespace by which clients learn where the registry and the gateway are."""
GARBAGE_INTERVAL_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class LocalParts:
    """What only the embedded platform has: its registry, its gateway, base images made on this machine."""

    home: Path
    instance: str
    registry_port: int
    listening: Listening


@dataclass(frozen=True, slots=True)
class PlatformOptions:
    """registry: where built images go, "" for none. local: None on a cluster that is not ours."""

    registry: str
    around: Surroundings
    builder_image: str
    local: LocalParts | None = None


class Platform:
    """All capabilities over one client; `run` until cancelled."""

    def __init__(
        self, client: Client, decisions: DecisionLog | None, options: PlatformOptions, barrier: EndpointBarrier | None = None
    ) -> None:
        self.client = client
        self.options = options
        self.barrier = barrier
        self.recorder = Recorder(client, decisions, "pilothouse", socket.gethostname())

    async def run(self, ready: asyncio.Event) -> None:
        await crds.install(self.client, [APP, BUILD])
        await self._namespace()
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(scope())
            tasks.spawn(self.recorder.run(), name="platform events")
            registry = await self._registry(tasks.start)
            informers = Informers(self.client)
            builds = await self._build_settings()
            found = await environment.discover() if self.options.local is not None else None
            works = [
                AppController(self.client, informers, self.recorder, self.options.around).run(),
                BuildController(self.client, informers, self.recorder, builds).run(),
                EnvironmentKeeper(self.client, informers, found).run(),
            ]
            if builds.bases is not None:
                works.append(builds.bases.warm(stand_ins=builds.config.stand_ins))
            gateway = self._gateway(informers)
            await tasks.start(informers.run, name="platform informers")
            for work in works:
                tasks.spawn(work)
            if gateway is not None:
                await tasks.start(gateway.run, name="gateway")
            await self._publish()
            ready.set()
            if registry is not None:
                await self._collect_garbage(registry)

    async def _namespace(self) -> None:
        """Looked for first: who may not make namespaces may still work in one that was made for them."""
        if await self.client.get_or_none(kinds.NAMESPACES, SYSTEM) is not None:
            return
        with contextlib.suppress(AlreadyExists):
            await self.client.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})

    async def _registry(self, start: Callable[..., object]) -> RegistryServer | None:
        local = self.options.local
        if local is None:
            return None
        server = RegistryServer(RegistryConfig(local.home / "registry", local.registry_port, local.home / "log" / "registry.log"))
        await start(server.run, name="registry")  # type: ignore[misc]
        return server

    async def _build_settings(self) -> BuildSettings:
        local = self.options.local
        stand_ins = local is not None and not await has_public_registry()
        storage = str(local.home / "builder") if local is not None else "/var/lib/pilothouse/builder"
        builder = BuilderConfig(self.options.builder_image, self.options.registry, storage, stand_ins, offered=offered())
        return BuildSettings(builder, Bases(self.options.registry, local.home / "images") if local is not None else None)

    def _gateway(self, informers: Informers) -> Gateway | None:
        local = self.options.local
        if local is None:
            return None
        config = GatewayConfig(
            local.home / "gateway", local.home / "log" / "gateway.log", local.listening, local.instance, domain=self.options.around.domain
        )
        return Gateway(self.client, informers, self.recorder, config, self.barrier)

    async def _publish(self) -> None:
        around = self.options.around
        data = {"registry": self.options.registry, "domain": around.domain, "http-port": str(around.url_port)}
        if self.options.local is not None:
            data["https-port"] = str(self.options.local.listening.https_port)
        wanted = {"metadata": {"name": INFO, "namespace": SYSTEM}, "data": data}
        current = await self.client.get_or_none(kinds.CONFIGMAPS, INFO, SYSTEM)
        if current is None:
            await self.client.create(kinds.CONFIGMAPS, wanted)
        elif current.get("data") != data:
            await self.client.update(kinds.CONFIGMAPS, wanted)

    async def _collect_garbage(self, server: RegistryServer) -> None:
        collector = GarbageCollector(self.client, server)
        while True:
            await asyncio.sleep(GARBAGE_INTERVAL_S)
            await collector.collect()


async def has_public_registry() -> bool:
    """Whether Docker Hub, which unqualified image names mean, can be reached from this machine."""
    from pilothouse.aio.process import ProcessTimeout, run

    try:
        done = await run(["skopeo", "inspect", "--raw", "docker://docker.io/library/busybox:latest"], timeout_s=6)
    except (ProcessTimeout, FileNotFoundError):
        return False
    return done.returncode == 0
