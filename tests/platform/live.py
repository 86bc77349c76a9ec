"""The platform's controllers on the engine's API server and controllers, all in this process; nodes are played."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.client import crds
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.apiserver.identity import AUTHENTICATED, MASTERS, User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.platform.apps.controller import AppController
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds.types import BUILD
from tests.engine.controllers.conftest import Cluster, api_server, controlled

AROUND = Surroundings(registry="127.0.0.1:5000", proven_s=0)


@asynccontextmanager
async def platform(folder: Path) -> AsyncIterator[Cluster]:
    """A cluster with the App controller; what it decides is in folder/decisions.db."""
    async with api_server(folder, folder / "keys") as server:
        client = Client(InProcessTransport(server, User("admin", (MASTERS, AUTHENTICATED))))
        await crds.install(client, [APP, BUILD])
        with DecisionLog(folder / "decisions.db") as decisions:
            async with controlled(client) as cluster, scope() as tasks:
                recorder, informers = Recorder(client, decisions, "pilothouse"), Informers(client)
                apps = AppController(client, informers, recorder, AROUND)
                tasks.spawn(recorder.run())
                await tasks.start(informers.run)
                tasks.spawn(apps.run())
                yield cluster
                await decisions.flush()
                tasks.cancel()
