"""What the cluster's DNS shows of itself in the API, with the rights that it has."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.aio.tasks import running
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, SERVICES, VALIDATING_WEBHOOKS
from pilothouse.network.dns import ClusterDNS, ClusterDNSConfig
from pilothouse.network.dns.publish import AddressTaken, publish
from tests.network.cluster import FakeCluster
from tests.people import ADMIN, client_of, node, refused_parts

CONFIG = ClusterDNSConfig(addresses=("10.1.0.1",), cluster_ips=("10.96.0.10",), node="n")
DNS = node("n")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    settings = Settings(tmp_path / "state", dns_addresses=CONFIG.cluster_ips)
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, settings) as server:
        yield server
        assert not refused_parts(server)


def refusing_everything() -> Object:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
    hook = {"name": "a.example.com", "rules": [rule], "admissionReviewVersions": ["v1"], "sideEffects": "None"}
    service = {"namespace": "gone", "name": "gone"}
    return {"metadata": {"name": "it"}, "webhooks": [hook | {"clientConfig": {"service": service}}]}


async def addresses(server: ApiServer) -> list[str]:
    found = await client_of(server, ADMIN).get(ENDPOINTSLICES, "kube-dns-n", "kube-system")
    return [address for endpoint in found["endpoints"] for address in endpoint["addresses"]]


async def test_the_service_and_its_endpoint_follow_what_is_configured(server: ApiServer) -> None:
    client = client_of(server, DNS)
    await publish(client, CONFIG, 53)
    shown = await client.get(SERVICES, "kube-dns", "kube-system")
    assert (shown["spec"]["clusterIP"], await addresses(server)) == ("10.96.0.10", ["10.1.0.1"])
    await publish(client, replace(CONFIG, addresses=("10.1.0.2",)), 53)
    assert await addresses(server) == ["10.1.0.2"]


async def test_what_is_right_is_not_written_again(server: ApiServer) -> None:
    client = client_of(server, DNS)
    await publish(client, CONFIG, 53)
    await client_of(server, ADMIN).create(VALIDATING_WEBHOOKS, refusing_everything())
    await publish(client, CONFIG, 53)
    with pytest.raises(ApiError, match="failed calling webhook"):
        await publish(client, replace(CONFIG, addresses=("10.1.0.2",)), 53)


async def test_the_endpoint_goes_with_the_node_that_it_is_of(server: ApiServer) -> None:
    client, admin = client_of(server, DNS), client_of(server, ADMIN)
    await publish(client, CONFIG, 53)
    for _ in range(2):
        made = await client.create(NODES, {"metadata": {"name": "n"}})
        await publish(client, CONFIG, 53)
        shown = await admin.get(ENDPOINTSLICES, "kube-dns-n", "kube-system")
        assert [owner["uid"] for owner in shown["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]
        await admin.delete(NODES, "n")


async def test_a_service_at_another_address_than_pods_are_told_is_said(server: ApiServer) -> None:
    with pytest.raises(AddressTaken, match="pods are told"):
        await publish(client_of(server, DNS), replace(CONFIG, cluster_ips=("10.96.0.11",)), 53)


async def test_an_endpoint_that_was_deleted_comes_again() -> None:
    cluster = FakeCluster()
    await cluster.put(NODES, {"metadata": {"name": "n", "uid": "n"}})
    informers = cluster.informers()
    dns = ClusterDNS(informers.client, informers, replace(CONFIG, addresses=("127.0.0.1",), port=0))
    async with running(informers.run), running(dns.run), asyncio.timeout(10):
        await cluster.delete(ENDPOINTSLICES, "kube-system", "kube-dns-n")
        while await informers.client.get_or_none(ENDPOINTSLICES, "kube-dns-n", "kube-system") is None:
            await asyncio.sleep(0.02)


async def test_the_service_comes_again_when_it_was_deleted(server: ApiServer) -> None:
    admin = client_of(server, ADMIN)
    await admin.delete(SERVICES, "kube-dns", "kube-system")
    async with asyncio.timeout(10):
        while (shown := await admin.get_or_none(SERVICES, "kube-dns", "kube-system")) is None:
            await asyncio.sleep(0.02)
    assert (shown["spec"]["clusterIP"], shown["spec"]["internalTrafficPolicy"]) == ("10.96.0.10", "Local")
