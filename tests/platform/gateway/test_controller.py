"""The gateway's controller with a real Envoy, on an API server in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.platform.gateway.controller import Gateway, GatewayConfig
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.platform.gateway.conftest import RealGateway
from tests.platform.gateway.objects import endpoint, ingress, path, piece, service
from tests.platform.gateway.upstream import Upstream, answer

READY = {"ready": True}
DRAINING = {"ready": False, "serving": True, "terminating": True}


def slices(upstream: Upstream, **conditions: bool) -> Object:
    made = piece(endpoint(upstream.address, **conditions), http=upstream.port)
    return made | {"metadata": {"name": "web-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}}


@asynccontextmanager
async def running(gateway: RealGateway, client: Client, barrier: EndpointBarrier) -> AsyncIterator[None]:
    recorder, informers = Recorder(client, None, "gateway"), Informers(client)
    config = GatewayConfig(gateway.files.folder, gateway.log, gateway.listening, "test")
    controller = Gateway(client, informers, recorder, config, barrier)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        await tasks.start(controller.run)
        yield
        tasks.cancel()


async def until_served(gateway: RealGateway, status: int) -> None:
    async with asyncio.timeout(10):
        while (await gateway.ask())[0] != status:
            await asyncio.sleep(0.01)


async def test_an_ingress_is_served_and_its_address_told(gateway: RealGateway) -> None:
    client = Client(FakeTransport(FakeCluster()))
    async with Upstream("web") as web, running(gateway, client, EndpointBarrier()):
        assert await gateway.ask() == (404, "404: no route has this host name\n")
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        await client.create(kinds.INGRESSES, ingress("a", ("shop.localhost", [path("/")])), "default")
        await until_served(gateway, 200)
        async with asyncio.timeout(10):
            while not (found := await client.get(kinds.INGRESSES, "a", "default")).get("status"):
                await asyncio.sleep(0.01)
        assert found["status"]["loadBalancer"]["ingress"] == [{"ip": "127.0.0.1"}]
        await client.delete(kinds.INGRESSES, "a", "default")
        await until_served(gateway, 404)


async def test_an_address_is_released_only_after_its_last_request_is_answered(gateway: RealGateway) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(line: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "/slow" in line:
            entered.set()
            await go_on.wait()
        await answer(writer, "done")

    client, barrier = Client(FakeTransport(FakeCluster())), EndpointBarrier()
    async with Upstream("web", slowly, address="127.0.0.2") as web, running(gateway, client, barrier):
        await client.create(kinds.SERVICES, service(http=80), "default")
        await client.create(kinds.ENDPOINTSLICES, slices(web, **READY), "default")
        await client.create(kinds.INGRESSES, ingress("a", ("shop.localhost", [path("/")])), "default")
        await until_served(gateway, 200)
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(gateway.ask("/slow"))
            await entered.wait()
            await client.patch(kinds.ENDPOINTSLICES, "web-x", {"endpoints": slices(web, **DRAINING)["endpoints"]}, namespace="default")
            await until_served(gateway, 503)
            await client.create(kinds.SECRETS, {"metadata": {"name": "unrelated"}}, "default")
            assert [(await gateway.ask())[0] for _ in range(20)] == [503] * 20
            assert barrier.routed_by("127.0.0.2") == ["gateway"]
            go_on.set()
            assert await barrier.released("127.0.0.2", 5)
        assert slow.result() == (200, "done")


async def test_an_envoy_that_dies_is_started_again(gateway: RealGateway) -> None:
    client = Client(FakeTransport(FakeCluster()))
    async with running(gateway, client, EndpointBarrier()):
        first = gateway.process.running_pid()
        await gateway.process.stop()
        async with asyncio.timeout(10):
            while gateway.process.running_pid() in (None, first):
                await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            while not await gateway.process.admin.is_ready():
                await asyncio.sleep(0.02)
        assert (await gateway.ask())[0] == 404
