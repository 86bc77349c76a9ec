"""A kubelet API on a loopback port, in front of a node that is played, which asks a real API server about its callers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.kubelet.api import KubeletApi
from pilothouse.engine.node.kubelet.callers import Callers
from pilothouse.engine.node.kubelet.configuration import configuration
from pilothouse.engine.node.kubelet.listener import Listening
from pilothouse.engine.node.local_volumes.serving import answer
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.engine.node.runtime.seam import ExecResult
from pilothouse.engine.node.stats.figures import Figures
from pilothouse.engine.node.stats.rooms import PodRoom
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import Server
from pilothouse.wire.tls import client_context
from tests.engine.apiserver.api import Api
from tests.people import client_of, node
from tests.simulation.fake_figures import plenty
from tests.wire.raw import Answer, RawClient

NODE = "n1"
POD: Object = {
    "metadata": {"name": "p", "namespace": "default", "uid": "u1"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
    "status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]},
}


class PlayedConnector:
    """One container, which says one line and runs any program."""

    async def logs(self, pod: Object, container: str, options: Any) -> AsyncIterator[bytes]:
        yield f"{container} tail={options.tail}\n".encode()

    async def run(self, pod: Object, container: str, command: list[str], timeout_s: int) -> ExecResult:
        return ExecResult(" ".join(command).encode() + b"\n", b"", 1 if command[0] == "false" else 0)


class PlayedRooms:
    async def refresh(self) -> None:
        return None

    def all(self) -> list[tuple[Object, PodRoom]]:
        return []


class PlayedFigures:
    rooms = PlayedRooms()

    async def figures(self) -> Figures:
        return Figures(plenty(NODE))


class PlayedHost:
    def __init__(self) -> None:
        self.connector: Any = PlayedConnector()
        self.statistics: Any = PlayedFigures()
        self.sick = ""

    def pod(self, uid: str) -> Object | None:
        return POD if uid == "u1" else None

    def pods(self) -> list[Object]:
        return [POD]

    def metrics(self) -> list[str]:
        return ["kubelet_running_pods 1"]

    def probe_metrics(self) -> list[str]:
        return ["prober_probe_total 0"]

    async def trouble(self) -> str:
        return self.sick


@dataclass
class Kubelet:
    """listening: its port. host: the node behind it."""

    server: Server
    api: KubeletApi
    host: PlayedHost
    authority: CertificateAuthority
    asked: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.port

    async def ask(self, path: str, *headers: str, method: str = "GET", user: str = "", groups: tuple[str, ...] = ()) -> Answer:
        """user: by client certificate; "" for none."""
        pair = self.authority.issue_client(user, groups) if user else None
        ca = self.authority.certificate
        context = client_context(ca, pair.certificate, pair.key) if pair else client_context(ca)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname="127.0.0.1")
        client = RawClient(reader, writer)
        client.get(path, *headers, method=method)
        answer = await client.answer(method)
        writer.close()
        return answer


@pytest.fixture
async def kubelet(server: ApiServer, authority: CertificateAuthority, tmp_path: Path) -> AsyncIterator[Kubelet]:
    pair = authority.issue_server([NODE], ["127.0.0.1"]).write(tmp_path, "kubelet")
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.certificate)
    listening = Listening("127.0.0.1", 0, pair, ca)
    config = NodeConfig(home=tmp_path, node_name=NODE, instance="t")
    volumes, host = LocalVolumes(config, missing=lambda: "it is played"), PlayedHost()
    api = KubeletApi(
        Callers(client_of(server, node(NODE)), NODE),
        configuration(config, listening),
        {"volumes": partial(answer, volumes, LocalSnapshots(volumes))},
    )
    api.host = host
    async with await listening.serve(api.handle, listening.context()) as serving:
        yield Kubelet(serving, api, host, authority)


@pytest.fixture
async def proxied(api: Api, server: ApiServer, kubelet: Kubelet, authority: CertificateAuthority, tmp_path: Path) -> Kubelet:
    """The kubelet, known to the API server as a Node that it may ask."""
    status = {"daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}}, "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}
    await api.post("/api/v1/nodes", {"metadata": {"name": NODE}, "status": status})
    pair = authority.issue_client("kube-apiserver-kubelet-client").write(tmp_path, "kubelet-client")
    server.backend.proxy = KubeletProxy(pair, tmp_path / "ca.crt", {NODE: "127.0.0.1"})
    return kubelet
