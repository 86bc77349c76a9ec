"""The configuration of a running cluster, read with the rights of a node's proxies."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
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


async def test_a_corefile_is_taken_kept_while_the_next_one_is_wrong_and_given_up_with_its_config_map(
    server: ApiServer, tmp_path: Path
) -> None:
    config = replace(CONFIG, kept=tmp_path / "Corefile")
    admin, client = client_of(server, ADMIN), client_of(server, PROXY)
    informers, recorder = Informers(client), Recorder(client, None, "kube-proxy", "n")
    taken: asyncio.Queue[Configuration] = asyncio.Queue()
    maps = informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={DNS_CONFIG}")
    Configured(maps, config, recorder, taken.put_nowait)
    async with running(informers.run), running(recorder.run), asyncio.timeout(15):
        await admin.create(CONFIGMAPS, {"metadata": {"name": DNS_CONFIG, "namespace": NAMESPACE}, "data": {"Corefile": STUB}})
        assert (await taken.get()).blocks[0].zones == (("corp",),)
        await admin.patch(CONFIGMAPS, DNS_CONFIG, {"data": {"Corefile": STUB.replace("forward", "forwards")}}, namespace=NAMESPACE)
        while not (events := (await admin.list_all(EVENTS, NAMESPACE)).items):
            await asyncio.sleep(0.02)
        said = events[0]
        assert (said["reason"], said["type"], said["involvedObject"]["name"]) == ("CorefileNotTaken", "Warning", DNS_CONFIG)
        assert 'Line 2: "forwards" is not among' in said["message"]
        assert taken.empty()
        assert "what held before goes on to hold" in said["message"]
        again: asyncio.Queue[Configuration] = asyncio.Queue()
        Configured(maps, config, recorder, again.put_nowait)
        assert (await again.get()).blocks[0].zones == (("corp",),), "nor does a restart change it"
        await admin.patch(CONFIGMAPS, DNS_CONFIG, {"data": {"Corefile": STUB}}, namespace=NAMESPACE)
        while "CorefileTaken" not in [each["reason"] for each in (await admin.list_all(EVENTS, NAMESPACE)).items]:
            await asyncio.sleep(0.02)
        assert (await taken.get()).blocks[0].zones == (("corp",),)
        await admin.patch(CONFIGMAPS, DNS_CONFIG, {"data": {"Corefile": None, "corefile": STUB}}, namespace=NAMESPACE)
        while not any("no key Corefile, but corefile" in each["message"] for each in (await admin.list_all(EVENTS, NAMESPACE)).items):
            await asyncio.sleep(0.02)
        assert [block.autopath for block in (await taken.get()).blocks] == [True]
        assert not (tmp_path / "Corefile").exists(), "what was given up does not come back"
        await admin.patch(CONFIGMAPS, DNS_CONFIG, {"data": {"Corefile": STUB}}, namespace=NAMESPACE)
        assert (await taken.get()).blocks[0].zones == (("corp",),)
        await admin.delete(CONFIGMAPS, DNS_CONFIG, NAMESPACE)
        (only,) = (await taken.get()).blocks
        assert (only.kubernetes, only.autopath) == (True, True)


async def test_what_held_before_a_start_holds_until_it_is_seen_that_there_is_no_config_map(server: ApiServer, tmp_path: Path) -> None:
    config = replace(CONFIG, kept=tmp_path / "Corefile")
    config.kept.write_text(STUB)
    informers = Informers(client_of(server, PROXY))
    taken: asyncio.Queue[Configuration] = asyncio.Queue()
    maps = informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={DNS_CONFIG}")
    configured = Configured(maps, config, None, taken.put_nowait)
    assert taken.get_nowait().blocks[0].zones == (("corp",),)
    async with running(informers.run), asyncio.timeout(15):
        await configured.run()
    assert taken.get_nowait().blocks[0].autopath
    assert not config.kept.exists()
