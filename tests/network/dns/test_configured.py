"""The configuration of a running cluster, read with the rights of a node's proxies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.aio.tasks import running
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import AUTHENTICATED, User
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.certificates import PROXY_GROUPS, PROXY_USER
from pilothouse.model.kinds import CONFIGMAPS, EVENTS
from pilothouse.model.node_objects import DNS_CONFIG, NAMESPACE
from pilothouse.network.dns import ClusterDNSConfig
from pilothouse.network.dns.configured import Configured
from pilothouse.network.dns.corefile import Configuration
from tests.people import ADMIN, client_of, refused_parts

CONFIG = ClusterDNSConfig(addresses=("10.1.0.1",), cluster_ips=("10.96.0.10",), node="n")
PROXY = User(PROXY_USER, (*PROXY_GROUPS, AUTHENTICATED))
STUB = "corp {\n  forward . 10.0.0.1\n}\n"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    settings = Settings(tmp_path / "state", dns_addresses=CONFIG.cluster_ips)
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, settings) as server:
        yield server
        assert not refused_parts(server)


async def test_a_corefile_is_taken_kept_while_the_next_one_is_wrong_and_given_up_with_its_config_map(server: ApiServer) -> None:
    admin, client = client_of(server, ADMIN), client_of(server, PROXY)
    informers, recorder = Informers(client), Recorder(client, None, "kube-proxy", "n")
    taken: asyncio.Queue[Configuration] = asyncio.Queue()
    maps = informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={DNS_CONFIG}")
    Configured(maps, CONFIG, recorder, taken.put_nowait)
    async with running(informers.run), running(recorder.run), asyncio.timeout(15):
        await admin.create(CONFIGMAPS, {"metadata": {"name": DNS_CONFIG, "namespace": NAMESPACE}, "data": {"Corefile": STUB}})
        assert (await taken.get()).blocks[0].zones == (("corp",),)
        await admin.patch(CONFIGMAPS, DNS_CONFIG, {"data": {"Corefile": STUB.replace("forward", "forwards")}}, namespace=NAMESPACE)
        while not (events := (await admin.list_all(EVENTS, NAMESPACE)).items):
            await asyncio.sleep(0.02)
        said = events[0]
        assert (said["reason"], said["type"], said["involvedObject"]["name"]) == ("CorefileNotTaken", "Warning", DNS_CONFIG)
        assert 'Line 2: "forwards" is not among' in said["message"]
        assert taken.empty(), "what held before goes on to hold"
        await admin.delete(CONFIGMAPS, DNS_CONFIG, NAMESPACE)
        (only,) = (await taken.get()).blocks
        assert (only.kubernetes, only.autopath) == (True, True)
