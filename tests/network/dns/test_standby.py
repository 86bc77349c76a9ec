"""A server that ends without a word, and the next one: no question is refused, none is lost, and what is known is answered meanwhile."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.aio.identity import Identity
from pilothouse.aio.tasks import running
from pilothouse.model.kinds import NAMESPACES, NODES, SERVICES
from pilothouse.network.dns import ClusterDNS, ClusterDNSConfig, codec
from pilothouse.network.dns.standby.handover import end, take_over
from tests.network.cluster import FakeCluster, service

KNOWN, UNKNOWN = "web.default.svc.cluster.local", "new.default.svc.cluster.local"


def ask(name: str, port: int, wait_s: float = 3) -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(wait_s)
        asker.connect(("127.0.0.1", port))
        asker.send(codec.query(codec.name_of(name), codec.A, 7))
        return [str(record.value) for record in codec.parse_reply(asker.recv(512)).answers]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def config(tmp_path: Path) -> ClusterDNSConfig:
    path = Path("/tmp") / f"pht-{tmp_path.name[-20:]}-{id(tmp_path)}.sock"
    return ClusterDNSConfig(node="n", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10",), port=free_port(), upstream=(), standby=path)


@pytest.fixture
async def cluster() -> FakeCluster:
    cluster = FakeCluster()
    await cluster.put(NODES, {"metadata": {"name": "n", "uid": "n"}})
    await cluster.put(NAMESPACES, {"metadata": {"name": "default", "uid": "default"}})
    await cluster.put(SERVICES, service("web", clusterIP="10.96.0.20"))
    return cluster


@contextlib.asynccontextmanager
async def serving(cluster: FakeCluster, config: ClusterDNSConfig) -> AsyncIterator[None]:
    informers = cluster.informers()
    dns = ClusterDNS(informers.client, informers, config)
    async with running(informers.run), running(dns.run):
        yield


@pytest.fixture
def standby(config: ClusterDNSConfig) -> Path:
    assert config.standby is not None
    return config.standby


async def until_told(standby: Path) -> None:
    async with asyncio.timeout(5):
        while not standby.exists():
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)


async def test_known_names_are_answered_without_a_server_and_others_by_the_next_one(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
        began = time.perf_counter()
        assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
        assert time.perf_counter() - began < 0.1
        waiting = asyncio.ensure_future(asyncio.to_thread(ask, UNKNOWN, config.port))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await cluster.put(SERVICES, service("new", clusterIP="10.96.0.21"))
        async with serving(cluster, config):
            assert await waiting == ["10.96.0.21"]
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
    finally:
        end(standby)


async def test_what_has_changed_is_not_answered_as_it_was(cluster: FakeCluster, config: ClusterDNSConfig, standby: Path) -> None:
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
            await cluster.put(SERVICES, service("web", clusterIP="10.96.0.22"))
            await asyncio.sleep(0.5)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(ask, KNOWN, config.port, 0.3)
    finally:
        end(standby)


async def test_a_standby_that_is_gone_or_says_nonsense_hinders_no_server(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        async with serving(cluster, config):
            await until_told(standby)
            known = Identity.load(standby.with_suffix(".pid"))
            assert known is not None
            end(standby)
            await asyncio.sleep(0.3)
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            assert not known.alive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(str(standby))
            door.listen(1)
            taken = await asyncio.to_thread(take_over, standby)
            assert (taken.sockets, taken.waiting, standby.exists()) == ({}, [], False)
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
    finally:
        end(standby)


async def test_nothing_is_left_when_it_is_ended(cluster: FakeCluster, config: ClusterDNSConfig, standby: Path) -> None:
    async with serving(cluster, config):
        await until_told(standby)
        known = Identity.load(standby.with_suffix(".pid"))
    end(standby)
    await asyncio.sleep(0.1)
    assert known is not None
    assert not known.alive()
    assert not standby.exists()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", config.port))
