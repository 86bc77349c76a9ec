"""The kubelet API in front of real containers: sessions over TLS, as upstream's API server opens them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.identities import KUBELET_CLIENT
from pilothouse.engine.node.kubelet.api import KubeletApi
from pilothouse.engine.node.kubelet.callers import Callers
from pilothouse.engine.node.kubelet.configuration import configuration
from pilothouse.engine.node.kubelet.listener import Listening
from pilothouse.engine.streaming import upgrade
from pilothouse.engine.streaming.sessions import open_session
from pilothouse.engine.streaming.upgrade import BytePipe
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODEMETRICS, PODMETRICS
from pilothouse.model.quantity import parse
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.spdy import PROTOCOL, Connection
from pilothouse.wire.tls import client_context
from tests.e2e.node.pods import Cluster, is_ready, pod, shell
from tests.wire.raw import Answer, RawClient

pytestmark = pytest.mark.containers


@dataclass
class Kubelet:
    port: int
    authority: CertificateAuthority

    async def _connection(self, user: str = "admin", *groups: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        pair = self.authority.issue_client(user, groups or ["pilothouse:admins"])
        context = client_context(self.authority.certificate, pair.certificate, pair.key)
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname="127.0.0.1")

    async def connect(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """As the API server (see `NodeProxy`)."""
        return *await self._connection(KUBELET_CLIENT, "system:authenticated"), "n1"

    async def ask(self, path: str, method: str = "GET") -> Answer:
        reader, writer = await self._connection()
        client = RawClient(reader, writer)
        client.get(path, method=method)
        answer = await client.answer(method)
        writer.close()
        return answer

    async def session(self, path: str) -> BytePipe:
        reader, writer = await self._connection()
        return await upgrade._switch(reader, writer, "127.0.0.1", path, PROTOCOL)


@pytest.fixture
async def kubelet(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Kubelet]:
    authority = CertificateAuthority.create(tmp_path / "pki")
    pair = authority.issue_server(["n1"], ["127.0.0.1"]).write(tmp_path, "kubelet")
    listening = Listening("127.0.0.1", 0, pair, tmp_path / "pki/ca.crt")
    api = KubeletApi(Callers(cluster.agent._client, "n1"), configuration(cluster.config, listening))
    api.host = cluster.agent.view
    async with await listening.serve(api.handle, listening.context()) as server:
        yield Kubelet(server.port, authority)


async def test_a_program_is_executed_with_its_input_and_output(cluster: Cluster, kubelet: Kubelet) -> None:
    await cluster.run(pod("p"))
    pipe = await kubelet.session("/exec/default/p/main?command=sh&command=-c&command=tr+a-z+A-Z&input=1&output=1")
    session = await open_session(pipe, stdin=True, stdout=True, stderr=False, tty=False)
    await session.write(b"hello\n")
    await session.close_stdin()
    assert b"".join([piece async for piece in session.stdout()]) == b"HELLO\n"
    assert await session.wait() == 0
    await session.close()


async def test_a_port_is_forwarded_in_pairs_of_streams(cluster: Cluster, kubelet: Kubelet) -> None:
    await cluster.run(pod("p", shell("while true; do echo served | nc -l -p 8080; done")))
    pipe = await kubelet.session("/portForward/default/p")
    connection = Connection(pipe, is_client=True)
    running = asyncio.ensure_future(connection.run())
    said = b""
    async with asyncio.timeout(20):
        for number in range(20):
            about = {"port": "8080", "requestid": str(number)}
            error = connection.open({"streamtype": "error", **about})
            error.end()
            data = connection.open({"streamtype": "data", **about})
            data.end()
            while (piece := await data.receive()) is not None:
                said += piece
            if said:
                break
            await asyncio.sleep(0.2)
    assert said == b"served\n"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await pipe.close()


async def test_logs_pods_and_figures_are_those_of_the_container(cluster: Cluster, kubelet: Kubelet) -> None:
    await cluster.run(pod("p", shell("echo one; echo two; sleep 1000")))
    async with asyncio.timeout(25):
        while (answer := await kubelet.ask("/containerLogs/default/p/main?tailLines=1")).body != b"two\n":
            assert answer.status == 200
            await asyncio.sleep(0.1)
    ran = await kubelet.ask("/run/default/p/main?cmd=cat+/etc/hostname", "POST")
    assert (ran.status, ran.body) == (200, b"p\n")
    pods = json.loads((await kubelet.ask("/runningpods/")).body)
    assert [each["metadata"]["name"] for each in pods["items"]] == ["p"]
    # Figures may be a second old, and from before the pod.
    async with asyncio.timeout(25):
        while not (all_shown := json.loads((await kubelet.ask("/stats/summary")).body)["pods"]):
            await asyncio.sleep(0.1)
    (shown,) = all_shown
    assert shown["containers"][0]["memory"]["workingSetBytes"] > 0
    assert (
        b'container_memory_working_set_bytes{container="main",namespace="default",pod="p"}' in (await kubelet.ask("/metrics/resource")).body
    )
    assert (await kubelet.ask("/healthz")).body == b"ok"


async def test_the_metrics_api_shows_which_container_is_busy(cluster: Cluster, kubelet: Kubelet) -> None:
    assert isinstance(cluster.client.transport, InProcessTransport)
    cluster.client.transport._server.backend.proxy = kubelet
    busy = shell("while :; do :; done", "busy", resources={"limits": {"cpu": "200m"}})
    await cluster.create(pod("p", busy, shell(name="calm")))
    await cluster.until("p", is_ready, 60.0)
    async with asyncio.timeout(60):
        while not (found := (await cluster.client.list(PODMETRICS, "default")).items):
            await asyncio.sleep(0.2)
    used = {each["name"]: each["usage"] for each in found[0]["containers"]}
    assert parse(used["busy"]["cpu"]) > parse("10m") > parse(used["calm"]["cpu"])
    assert parse(used["busy"]["memory"]).value > 0
    node = await cluster.client.get(NODEMETRICS, "n1")
    assert parse(node["usage"]["cpu"]) > parse(used["busy"]["cpu"])
