"""Apps, bindings and accounts on the engine's API server; the operator of databases and their primaries are played."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from pilothouse.aio.tasks import scope
from pilothouse.cli.daemon.rights import SERVICES, secret_readers
from pilothouse.client import crds
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform import rights
from pilothouse.platform.apps.controller import AppController
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds.types import BUILD
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.accounts.controller import AccountController
from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
from pilothouse.platform.databases.pattern.binding.controller import BindingController
from pilothouse.platform.databases.pattern.types import BINDING
from pilothouse.platform.databases.resource import MYSQLS
from tests.engine.controllers.conftest import Cluster, api_server, controlled, watched
from tests.people import client_of, platform_part
from tests.platform.databases.binding.mortal import Life, mortal
from tests.platform.databases.binding.primary import FakePrimary
from tests.platform.live import AROUND


class Clock:
    """Seconds since the epoch, which a test moves on."""

    def __init__(self) -> None:
        self.now_s = meta.parse_rfc3339("2026-11-30T12:00:00Z")

    def __call__(self) -> float:
        return self.now_s


class Databases:
    """What a test has of the databases: the cluster, the controllers that run now, and the primaries by the instances' keys."""

    accounts: AccountController
    bindings: BindingController

    def __init__(self, server: ApiServer, cluster: Cluster) -> None:
        self.server = server
        self.cluster = cluster
        self.clock = Clock()
        self.primaries: dict[str, FakePrimary] = {}

    def primary(self, instance: str) -> FakePrimary:
        return self.primaries.setdefault(f"default/{instance}", FakePrimary())

    def tell(self, key: str) -> None:
        """As the operator does: the parts of the instance's orders reach its primary, which says what it has."""
        instance = self.accounts.instances.get(key)
        primary = self.primaries.setdefault(key, FakePrimary())
        if instance is not None and primary.answers:
            self.accounts.heard(key, primary.obey(self.accounts.parts(instance)))

    def wait(self, seconds: float) -> None:
        """Time passes; every object is looked at again."""
        self.clock.now_s += seconds
        for informer, queue in (
            (self.accounts.instances, self.accounts.controller.queue),
            (self.bindings.bindings, self.bindings.controller.queue),
        ):
            for obj in informer.items():
                queue.add(meta.key(obj))

    async def create(self, name: str, **spec: object) -> Object:
        return await self.cluster.create(MYSQLS, {"metadata": {"name": name}, "spec": {"deletionProtection": False, **spec}})


@asynccontextmanager
async def api_server_for_databases(folder: Path) -> AsyncIterator[ApiServer]:
    """With the rights of the platform's parts, and the definitions that bindings have to do with."""
    known = {"cluster_roles": rights.cluster_roles(), "cluster_role_bindings": rights.cluster_role_bindings()}
    async with api_server(folder, folder / "keys", secret_readers=secret_readers(), **known) as server:
        setup = client_of(server, platform_part(rights.SETUP))
        await crds.install(setup, [APP, BUILD, MYSQL, MYSQL_DATABASE, MYSQL_USER, BINDING])
        yield server


@asynccontextmanager
async def databases(folder: Path, life: Life | None = None) -> AsyncIterator[Databases]:
    """life: of the parts that see to accounts and bindings; when it is over others take their place, which live for ever."""
    async with api_server_for_databases(folder) as server:
        setup = client_of(server, platform_part(rights.SETUP))
        async with controlled(server) as cluster, scope() as tasks:
            found = Databases(server, cluster)
            recorder, client = Recorder(setup, None, "pilothouse"), client_of(server, platform_part(rights.APPS))
            informers = Informers(client)
            apps = AppController(client, informers, recorder, AROUND)
            tasks.spawn(recorder.run())
            await tasks.start(informers.run)
            tasks.spawn(apps.run())
            tasks.spawn(_operate(cluster))
            await tasks.start(lambda ready: _live(found, recorder, life or Life(), ready))
            yield found
            tasks.cancel()


async def _live(found: Databases, recorder: Recorder, life: Life, ready: asyncio.Event) -> None:
    while True:
        async with scope() as tasks:
            clients = {part: mortal(found.server, platform_part(part), life) for part in (rights.DATABASES, rights.BINDINGS)}
            caches = {part: Informers(client) for part, client in clients.items()}
            found.accounts = AccountController(clients[rights.DATABASES], caches[rights.DATABASES], recorder, found.clock)
            found.bindings = BindingController(clients[rights.BINDINGS], caches[rights.BINDINGS], recorder, SERVICES, found.clock)
            found.accounts.on_change(found.tell)
            for informers in caches.values():
                await tasks.start(informers.run)
            for each in (found.accounts, found.bindings):
                tasks.spawn(each.run())
            ready.set()
            await life.over.wait()
            tasks.cancel()
        life = Life()


async def _operate(cluster: Cluster) -> None:
    """Makes the Secret of each instance, as the operator does."""
    queue: asyncio.Queue[Object] = asyncio.Queue()

    def changed(old: Object | None, new: Object | None) -> None:
        if new is not None and old is None:
            queue.put_nowait(new)

    async with watched(cluster.client, MYSQLS, None) as informer:
        informer.on_change(changed)
        while True:
            await cluster.client.create(kinds.SECRETS, own_secret(await queue.get()))


def own_secret(instance: Object) -> Object:
    name, password = meta.name(instance), f"first p@ss/{meta.uid(instance)}"
    return {
        "metadata": labels.metadata(instance, name),
        "stringData": {
            "username": name,
            "password": password,
            "uri": f"mysql://{name}:{quote(password, safe='')}@{name}.default.svc:3306/{name}",
            "ca.crt": f"PEM of {meta.uid(instance)}",
        },
    }
