"""Wires the platform's capabilities, for the embedded engine (daemon) and for any other cluster (`ph run platform`)."""

import asyncio
import contextlib
import functools
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.aio.supervisor import Supervisor
from pilothouse.aio.tasks import scope
from pilothouse.cli.daemon.databases import image_source
from pilothouse.cli.daemon.rights import SERVICES, SOURCES
from pilothouse.cli.settings.home import BUILDER
from pilothouse.client import crds
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.parts import Part, Runnable
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.model import kinds
from pilothouse.model.errors import AlreadyExists
from pilothouse.oci.packages.programs import ProgramImages
from pilothouse.platform import rights
from pilothouse.platform.apps.controller import AppController
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.readiness import ReadinessController
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds.bases import Bases
from pilothouse.platform.builds.controller import BuildController, BuildSettings
from pilothouse.platform.builds.environment.found import discover
from pilothouse.platform.builds.keeper import EnvironmentKeeper
from pilothouse.platform.builds.offers import offered
from pilothouse.platform.builds.pod import SYSTEM, BuilderConfig
from pilothouse.platform.builds.types import BUILD
from pilothouse.platform.databases.bundle import bundle
from pilothouse.platform.databases.mysql.backups.controller import InstanceBackupController
from pilothouse.platform.databases.mysql.image import DEFAULT_FLAVOUR, PROGRAMS
from pilothouse.platform.databases.mysql.images import Ensure
from pilothouse.platform.databases.mysql.part import MySQLPart
from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
from pilothouse.platform.databases.pattern.backups.controller import BackupController
from pilothouse.platform.databases.pattern.backups.store_controller import StoreController
from pilothouse.platform.databases.pattern.binding.controller import BindingController
from pilothouse.platform.databases.pattern.types import BACKUP, BACKUP_STORE, BINDING
from pilothouse.platform.registry.garbage import GarbageCollector
from pilothouse.platform.registry.server import RegistryConfig, RegistryServer

INFO = "pilothouse"
"""ConfigMap in the system namespace by which clients learn where the registry and the gateway are."""
GARBAGE_INTERVAL_S = 6 * 3600.0
QUIET_S = 60.0
"""Before an image is made that nobody has asked for and few will: the first minute belongs to the first app."""


Makers = dict[str, tuple[Client, Callable[[], Runnable]]]
"""A part's name -> the client that it works with, and what builds it."""


@dataclass(frozen=True, slots=True)
class LocalParts:
    """What only the embedded platform has: its registry, its gateway (in the node), base images made on this machine.

    architecture: of this machine, as Nodes name it.
    """

    home: Path
    architecture: str
    registry_port: int
    https_port: int

    @property
    def images(self) -> Path:
        """Where images are being made."""
        return self.home / "images"


@dataclass(frozen=True, slots=True)
class PlatformOptions:
    """registry: where built images go, "" for none. local: None on a cluster that is not ours.

    databases: whether databases are served, and apps bound to them.
    """

    registry: str
    around: Surroundings
    builder_image: str
    local: LocalParts | None = None
    databases: bool = True


class Platform:
    """The capabilities that live in the control plane; `run` until cancelled.

    clients: the client for one of the parts that `platform.rights` names, the same one or one that is signed in as that part.
    supervisor: by whom the components are shown; None: only this object's own knows them.
    """

    def __init__(
        self,
        clients: Callable[[str], Client],
        decisions: DecisionLog | None,
        options: PlatformOptions,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.clients = functools.cache(clients)
        self.client = self.clients(rights.SETUP)
        self.options = options
        self._stands_in = False
        local = options.local
        self.servers = (
            {flavour: ProgramImages(each, options.registry, local.images) for flavour, each in PROGRAMS.items()}
            if local is not None
            else None
        )
        self.recorder = Recorder(self.client, decisions, "pilothouse", socket.gethostname())
        self._outer = supervisor

    async def run(self, ready: asyncio.Event) -> None:
        """What the components stand on comes first and raises; the components then fail alone."""
        await crds.install(self.client, [APP, BUILD, MYSQL, MYSQL_DATABASE, MYSQL_USER, BINDING, BACKUP, BACKUP_STORE])
        await self._namespace()
        async with scope() as tasks:
            supervisor = Supervisor(tasks) if self._outer is None else self._outer.within(tasks)
            supervisor.start("platform events", self.recorder.run)
            registry = self._registry()
            if registry is not None:
                supervisor.start("registry", registry.run)
                await supervisor.ready("registry")
            await self._clear_images()
            await self._start_controllers(supervisor)
            await self._publish()
            ready.set()
            if registry is not None:
                supervisor.start("registry garbage", lambda ready: self._collect_garbage(registry, ready))

    async def _start_controllers(self, supervisor: Supervisor) -> None:
        """Returns once they work."""
        recorder, options = self.recorder, self.options
        apps, readiness, making = (self.clients(part) for part in (rights.APPS, rights.READINESS, rights.BUILDS))
        caches = {client: Informers(client) for client in (apps, readiness, making, *self._of_databases())}
        builds = await self._build_settings()
        self._stands_in = builds.config.stand_ins
        found = await discover() if options.local is not None else None
        makers: Makers = {
            "apps": (apps, lambda: AppController(apps, caches[apps], recorder, options.around)),
            "readiness": (readiness, lambda: ReadinessController(readiness, caches[readiness], options.around)),
            "builds": (making, lambda: BuildController(making, caches[making], recorder, builds)),
            "build environment": (making, lambda: EnvironmentKeeper(making, caches[making], found)),
            **(self._databases(caches) if options.databases else {}),
        }
        parts = {name: Part(caches[client], make) for name, (client, make) in makers.items()}
        for client, informers in caches.items():
            supervisor.start(f"{client.field_manager} informers", informers.run)
        for name, part in parts.items():
            supervisor.start(name, part.run)
        if builds.bases is not None:
            supervisor.spawn(self._warm(builds.bases))
        await supervisor.ready(*parts)

    def _of_databases(self) -> tuple[Client, ...]:
        parts = (rights.DATABASES, rights.BINDINGS, rights.BACKUPS)
        return tuple(self.clients(part) for part in parts) if self.options.databases else ()

    def _databases(self, caches: Mapping[Client, Informers]) -> Makers:
        recorder = self.recorder
        databases, bindings, backups = self._of_databases()
        return {
            "databases": (databases, lambda: MySQLPart(databases, caches[databases], recorder, self._server_images(), bundle())),
            "backups": (backups, lambda: BackupController(backups, caches[backups], recorder, SOURCES, bundle())),
            "backup stores": (backups, lambda: StoreController(backups, caches[backups], recorder, SOURCES, bundle())),
            "instance backups": (backups, lambda: InstanceBackupController(backups, caches[backups], recorder, bundle())),
            "bindings": (bindings, lambda: BindingController(bindings, caches[bindings], recorder, SERVICES)),
        }

    async def _warm(self, bases: Bases) -> None:
        """What builds and databases will ask for first; one after the other, since the machine has other work meanwhile."""
        await bases.warm(stand_ins=self._stands_in)
        if self.servers is not None:
            await asyncio.sleep(QUIET_S)
            await self.servers[DEFAULT_FLAVOUR].warm()

    def _server_images(self) -> Ensure:
        return image_source(self.servers, self.options.registry)

    async def _namespace(self) -> None:
        """Looked for first: who may not make namespaces may still work in one that was made for them."""
        if await self.client.get_or_none(kinds.NAMESPACES, SYSTEM) is not None:
            return
        with contextlib.suppress(AlreadyExists):
            await self.client.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})

    async def _clear_images(self) -> None:
        """What was being made when a process was killed, hundreds of MB of it."""
        if self.options.local is not None:
            await asyncio.to_thread(shutil.rmtree, self.options.local.images, ignore_errors=True)

    def _registry(self) -> RegistryServer | None:
        local = self.options.local
        if local is None:
            return None
        return RegistryServer(RegistryConfig(local.home / "registry", local.registry_port, local.home / "log" / "registry.log"))

    async def _build_settings(self) -> BuildSettings:
        local = self.options.local
        stand_ins = local is not None and not await has_public_registry()
        architecture = local.architecture if local is not None else ""
        builder = BuilderConfig(
            self.options.builder_image, self.options.registry, BUILDER, stand_ins, offered=offered(), architecture=architecture
        )
        return BuildSettings(builder, Bases(self.options.registry, local.images) if local is not None else None)

    async def _publish(self) -> None:
        around = self.options.around
        data = {"registry": self.options.registry, "domain": around.domain, "http-port": str(around.url_port)}
        if self.options.local is not None:
            data["https-port"] = str(self.options.local.https_port)
        if self._stands_in:
            data["stand-ins"] = "yes"
        wanted = {"metadata": {"name": INFO, "namespace": SYSTEM}, "data": data}
        current = await self.client.get_or_none(kinds.CONFIGMAPS, INFO, SYSTEM)
        if current is None:
            await self.client.create(kinds.CONFIGMAPS, wanted)
        elif current.get("data") != data:
            await self.client.update(kinds.CONFIGMAPS, wanted)

    async def _collect_garbage(self, server: RegistryServer, ready: asyncio.Event) -> None:
        collector = GarbageCollector(self.clients(rights.REGISTRY), server)
        ready.set()
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
