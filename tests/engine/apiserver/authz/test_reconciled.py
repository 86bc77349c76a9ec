"""Roles and bindings of the cluster's own at a start: what was taken away comes back, what was added stays, what is protected is left."""

from pathlib import Path

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.policy import cluster_role, cluster_role_binding, rule
from pilothouse.platform import rights
from tests.engine.apiserver.api import Api
from tests.people import ADMIN, MASTER

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ROLE = f"{_RBAC}/clusterroles/system:controller:deployment-controller"
_BINDING = f"{_RBAC}/clusterrolebindings/pilothouse:admins"
_APPS = f"{_RBAC}/clusterroles/pilothouse:apps"


def _settings(state: Path) -> Settings:
    return Settings(state, cluster_roles=rights.cluster_roles(), cluster_role_bindings=rights.cluster_role_bindings())


@pytest.mark.parametrize("path", [_ROLE, _BINDING, _APPS])
async def test_what_was_deleted_comes_back(store: Store, state: Path, path: str) -> None:
    async with ApiServer.open(store, _settings(state)) as server:
        await Api(server, MASTER).delete(path)
    async with ApiServer.open(store, _settings(state)) as server:
        assert (await Api(server, ADMIN).get(path))["metadata"]["name"]


@pytest.mark.parametrize("path", [_ROLE, _APPS])
async def test_rules_that_were_taken_away_come_back_and_added_ones_stay(store: Store, state: Path, path: str) -> None:
    added = rule("get", "pods/log")
    async with ApiServer.open(store, _settings(state)) as server:
        before = (await Api(server, ADMIN).get(path))["rules"]
        await Api(server, ADMIN).patch(path, {"rules": [*before[1:], added]})
    async with ApiServer.open(store, _settings(state)) as server:
        after = (await Api(server, ADMIN).get(path))["rules"]
        assert added in after
        assert {verb for each in after for verb in each["verbs"]} >= {verb for each in before for verb in each["verbs"]}


async def test_what_says_that_it_is_not_to_be_updated_is_left_alone(store: Store, state: Path) -> None:
    off = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}, "rules": []}
    async with ApiServer.open(store, _settings(state)) as server:
        await Api(server, ADMIN).patch(_APPS, off)
    async with ApiServer.open(store, _settings(state)) as server:
        assert not (await Api(server, ADMIN).get(_APPS)).get("rules")


async def test_the_break_glass_file_works_when_the_administrators_binding_is_gone(api: Api, server: ApiServer) -> None:
    await api.delete(_BINDING)
    assert (await api.refused("GET", "/api/v1/nodes")).code == 403
    await Api(server, MASTER).get("/api/v1/nodes")


async def test_the_gateways_right_of_earlier_versions_to_read_every_secret_goes(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state)) as server:
        admin = Api(server, ADMIN)
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:gateway"}
        await admin.post(f"{_RBAC}/clusterroles", cluster_role("system:gateway", rule("get list watch", "secrets")))
        await admin.post(f"{_RBAC}/clusterrolebindings", cluster_role_binding("system:gateway", "system:gateway", (subject,)))
    async with ApiServer.open(store, _settings(state)) as server:
        assert "system:gateway" not in await Api(server, ADMIN).names(f"{_RBAC}/clusterroles")
        assert (await Api(server, ADMIN).as_user("system:gateway").refused("GET", "/api/v1/secrets")).code == 403
        assert meta.name(await Api(server, ADMIN).get(f"{_RBAC}/clusterroles/pilothouse:gateway"))
