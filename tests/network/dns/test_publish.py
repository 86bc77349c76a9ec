"""What the cluster's DNS shows of itself in the API, with the rights that it has."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.identity import AUTHENTICATED, User
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES, VALIDATING_WEBHOOKS
from pilothouse.network.dns import ClusterDNSConfig
from pilothouse.network.dns.publish import publish
from tests.people import ADMIN, client_of

CONFIG = ClusterDNSConfig(address="10.1.0.1", cluster_ip="10.96.0.10", node="n")
DNS = User("system:kube-proxy", ("system:cluster-dns", AUTHENTICATED))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, Settings(tmp_path / "state")) as server:
        yield server


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
    await publish(client, replace(CONFIG, address="10.1.0.2"), 53)
    assert await addresses(server) == ["10.1.0.2"]


async def test_what_is_right_is_not_written_again(server: ApiServer) -> None:
    client = client_of(server, DNS)
    await publish(client, CONFIG, 53)
    await client_of(server, ADMIN).create(VALIDATING_WEBHOOKS, refusing_everything())
    await publish(client, CONFIG, 53)
    with pytest.raises(ApiError, match="failed calling webhook"):
        await publish(client, replace(CONFIG, address="10.1.0.2"), 53)
