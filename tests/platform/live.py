"""The platform's controllers on the engine's API server and controllers, all in this process; nodes are played."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.cli.daemon.rights import secret_readers
from pilothouse.client import crds
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.platform import rights
from pilothouse.platform.apps.controller import AppController
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds.types import BUILD
from tests.engine.controllers.conftest import Cluster, api_server, controlled
from tests.people import client_of, platform_part

AROUND = Surroundings(registry="127.0.0.1:5000", proven_s=0)


@asynccontextmanager
async def api_server_for_platform(folder: Path) -> AsyncIterator[ApiServer]:
    """With the rights of the platform's parts, and its definitions."""
    known = {"cluster_roles": rights.cluster_roles(), "cluster_role_bindings": rights.cluster_role_bindings()}
    async with api_server(folder, folder / "keys", secret_readers=secret_readers(), **known) as server:
        await crds.install(client_of(server, platform_part(rights.SETUP)), [APP, BUILD])
        yield server


@asynccontextmanager
async def platform(folder: Path) -> AsyncIterator[Cluster]:
    """A cluster with the App controller; what it decides is in folder/decisions.db."""
    async with api_server_for_platform(folder) as server:
        client, saying = (client_of(server, platform_part(part)) for part in (rights.APPS, rights.SETUP))
        with DecisionLog(folder / "decisions.db") as decisions:
            async with controlled(server) as cluster, scope() as tasks:
                recorder, informers = Recorder(saying, decisions, "pilothouse"), Informers(client)
                apps = AppController(client, informers, recorder, AROUND)
                tasks.spawn(recorder.run())
                await tasks.start(informers.run)
                tasks.spawn(apps.run())
                yield cluster
                await decisions.flush()
                tasks.cancel()
