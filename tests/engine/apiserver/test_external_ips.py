"""Services that name external IPs where the cluster is told that none may (`DenyServiceExternalIPs`)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.people import ADMIN

SERVICES = "/api/v1/namespaces/default/services"
DENIED = (403, 'services "web" is forbidden: Use of external IPs is denied by admission control.')


def service(*addresses: str) -> Object:
    return {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "externalIPs": list(addresses)}}


@pytest.fixture
async def denying(store: Store, state: Path) -> AsyncIterator[Api]:
    async with ApiServer.open(store, Settings(state, admission_plugins=("DenyServiceExternalIPs",))) as server:
        yield Api(server, ADMIN)


async def test_a_service_names_external_ips_unless_the_cluster_is_told_otherwise(api: Api) -> None:
    assert (await api.post(SERVICES, service("192.0.2.1")))["spec"]["externalIPs"] == ["192.0.2.1"]


async def test_no_service_is_made_with_external_ips(denying: Api) -> None:
    error = await denying.refused("POST", SERVICES, service("192.0.2.1"))
    assert (error.code, error.message) == DENIED
    assert "externalIPs" not in (await denying.post(SERVICES, service()))["spec"]


async def test_a_service_that_has_some_keeps_them_and_may_give_them_up_but_gets_no_others(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state)) as server:
        await Api(server, ADMIN).post(SERVICES, service("192.0.2.1", "192.0.2.2"))
    async with ApiServer.open(store, Settings(state, admission_plugins=("DenyServiceExternalIPs",))) as server:
        api, path = Api(server, ADMIN), f"{SERVICES}/web"
        await api.put(path, with_addresses(await api.get(path), "192.0.2.1", "192.0.2.2"))
        error = await api.refused("PUT", path, with_addresses(await api.get(path), "192.0.2.2", "192.0.2.3"))
        assert (error.code, error.message) == DENIED
        changed = await api.put(path, with_addresses(await api.get(path), "192.0.2.2"))
        assert changed["spec"]["externalIPs"] == ["192.0.2.2"]


def with_addresses(kept: Object, *addresses: str) -> Object:
    return {**kept, "spec": {**kept["spec"], "externalIPs": list(addresses), "selector": {"app": "web"}}}
