"""The control plane is started again while somebody waits for it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from pilothouse.cli.apps.rollout import Rollout
from pilothouse.cli.apps.scale import _until
from pilothouse.client.client import Client
from pilothouse.client.transport import Call, Transport
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from tests.engine.controllers.conftest import kubelet
from tests.platform.live import platform


class Restarting:
    """A transport to a server that is away for some calls; `stream` and the like go straight through."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.away_for = 0

    async def call(self, call: Call) -> Any:
        if self.away_for:
            self.away_for -= 1
            raise Unavailable("connection refused")
        return await self._inner.call(call)

    def watch(self, call: Call) -> AbstractAsyncContextManager[Any]:
        return self._inner.watch(call)

    def stream(self, call: Call) -> AbstractAsyncContextManager[Any]:
        return self._inner.stream(call)

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Any]:
        return self._inner.connect(call, subprotocols)

    async def close(self) -> None:
        pass


def shop() -> Object:
    return {"metadata": {"name": "shop", "namespace": "default"}, "spec": {"image": "web:1"}}


async def test_a_deploy_goes_on_once_the_api_server_is_back(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        transport = Restarting(cluster.client.transport)
        rollout = Rollout(Client(transport), shop(), None)
        await rollout.apply()
        transport.away_for = 4
        app = await rollout.follow(30)
        assert (app["status"]["revision"], rollout.was_taken_back) == (1, False)


async def test_scaling_waits_on_once_the_api_server_is_back(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.client.create(APPS, shop())
        transport = Restarting(cluster.client.transport)
        transport.away_for = 4
        await _until(Client(transport), "shop", "default", lambda _: {"web": 1}, 30)
