"""The readiness gate against servers that answer well, badly and not at all; the pods are objects on the engine's API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.answers import ask
from pilothouse.platform.apps.objects import APP_LABEL
from pilothouse.platform.apps.readiness import ReadinessController
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.apps.workloads import ANSWERS
from tests.engine.controllers.conftest import Cluster
from tests.platform.live import AROUND, platform


class Server:
    """answer: what comes after each head of a request; empty: the connection is closed. asked: the requests' heads."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        writer.close()
        await writer.wait_closed()


def answer(status: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()


@asynccontextmanager
async def listening(given: bytes) -> AsyncIterator[tuple[Server, int]]:
    server = Server(given)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        yield server, listener.sockets[0].getsockname()[1]


@asynccontextmanager
async def gated(folder: Path, given: bytes) -> AsyncIterator[tuple[Cluster, Server]]:
    """A cluster whose pod `shop-1` has ready containers and a shut gate; on its address a server gives the same answer each time."""
    async with platform(folder) as cluster, listening(given) as (server, port), scope() as tasks:
        informers = Informers(cluster.client)
        controller = ReadinessController(cluster.client, informers, AROUND)
        tasks.spawn(informers.run())
        tasks.spawn(controller.run())
        container = {"name": "app", "image": "web:1", "ports": [{"containerPort": port}]}
        spec = {"containers": [container], "readinessGates": [{"conditionType": ANSWERS}], "nodeName": "n"}
        await cluster.until_one(kinds.SERVICEACCOUNTS, "default", bool)
        pod = await cluster.create(kinds.PODS, {"metadata": {"name": "shop-1", "labels": {APP_LABEL: "shop"}}, "spec": spec})
        conditions = [{"type": "ContainersReady", "status": "True"}]
        await cluster.client.patch(
            kinds.PODS,
            meta.name(pod),
            {"status": {"podIP": "127.0.0.1", "conditions": conditions}},
            namespace="default",
            subresource="status",
        )
        yield cluster, server
        tasks.cancel()


def gate(pod: Object) -> str:
    return str((meta.condition(pod, ANSWERS) or {}).get("message", ""))


@pytest.mark.parametrize("status", [200, 302, 401, 404])
async def test_a_replica_that_answers_takes_part_and_is_asked_no_more(tmp_path: Path, status: int) -> None:
    async with gated(tmp_path, answer(status)) as (cluster, server):
        pod = await cluster.until_one(kinds.PODS, "shop-1", lambda pod: meta.is_true(pod, ANSWERS))
        assert gate(pod) == f"GET / was answered with {status}"
        assert meta.is_true(pod, "ContainersReady")
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(500), "GET / is answered with 500"),
        (b"", "GET / is not answered: it is closed without an answer"),
        (b"-ERR unknown command\r\n", "GET / is not answered: the answer is no HTTP"),
        (b"x" * 100_000, "GET / is not answered: the answer is no HTTP"),
    ],
)
async def test_any_other_replica_stays_out_until_it_answers(tmp_path: Path, given: bytes, said: str) -> None:
    async with gated(tmp_path, given) as (cluster, server):
        pod = await cluster.until_one(kinds.PODS, "shop-1", gate)
        assert (gate(pod), meta.is_true(pod, ANSWERS)) == (said, False)
        server.answer = answer(200)
        await cluster.until_one(kinds.PODS, "shop-1", lambda pod: meta.is_true(pod, ANSWERS))


async def test_a_pod_with_the_gate_and_no_port_is_left_alone(tmp_path: Path) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], "readinessGates": [{"conditionType": ANSWERS}]}}
    ready = {"podIP": "127.0.0.1", "conditions": [{"type": "ContainersReady", "status": "True"}]}
    async with platform(tmp_path) as cluster:
        controller = ReadinessController(cluster.client, Informers(cluster.client), AROUND)
        controller.pods = cast("Any", {"default/p": pod | {"status": ready}})
        assert await controller.reconcile("default/p") is None


async def test_it_is_asked_by_the_apps_name(tmp_path: Path) -> None:
    async with gated(tmp_path, answer(500)) as (cluster, server):
        app = {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "hosts": ["shop.example.org"]}}
        await cluster.create(APPS, app)
        async with asyncio.timeout(10):
            while not any(b"Host: shop.example.org\r\n" in each for each in server.asked):
                await asyncio.sleep(0.02)


async def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as listener:
        with pytest.raises(TimeoutError):
            await ask("127.0.0.1", listener.sockets[0].getsockname()[1], "localhost", timeout_s=0.05)
