"""What the parts that see to bindings and accounts may do, and what people may."""

from pathlib import Path

import pytest

from pilothouse.model import kinds
from pilothouse.model.errors import Forbidden
from pilothouse.platform import rights
from pilothouse.platform.databases.resource import BINDINGS, MYSQL_USERS
from tests.people import ADMIN, client_of, person, platform_part
from tests.platform.databases.binding.live import api_server_for_databases, databases
from tests.platform.databases.binding.test_controller import binding


@pytest.mark.parametrize("part", [rights.BINDINGS, rights.DATABASES])
async def test_a_part_reads_the_secrets_that_its_objects_stand_for_and_no_others(tmp_path: Path, part: str) -> None:
    async with api_server_for_databases(tmp_path) as server:
        admin, client = client_of(server, ADMIN), client_of(server, platform_part(part))
        await admin.create(BINDINGS, binding(), "default")
        await admin.create(
            MYSQL_USERS, {"metadata": {"name": "x"}, "spec": {"instance": "orders", "secret": "shop-orders-account"}}, "default"
        )
        for name in ("other", "shop-orders-account"):
            await admin.create(kinds.SECRETS, {"metadata": {"name": name}, "stringData": {"password": "value"}}, "default")
        assert (await client.get(kinds.SECRETS, "shop-orders-account", "default"))["data"]["password"]
        with pytest.raises(Forbidden):
            await client.get(kinds.SECRETS, "other", "default")
        with pytest.raises(Forbidden):
            await client.list(kinds.SECRETS, "default")
        for name in ("other", "shop-orders-account"):
            with pytest.raises(Forbidden):
                await client.patch(kinds.SECRETS, name, {}, namespace="default")


async def test_whoever_may_edit_a_namespace_binds_apps_in_it_and_nowhere_else(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ann"}
        role = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "edit"}
        await given.cluster.create(kinds.ROLEBINDINGS, {"metadata": {"name": "ann"}, "subjects": [subject], "roleRef": role})
        ann = client_of(given.server, person("ann"))
        await ann.create(BINDINGS, binding(), "default")
        await ann.create(MYSQL_USERS, {"metadata": {"name": "ann"}, "spec": {"instance": "orders"}}, "default")
        with pytest.raises(Forbidden):
            await ann.patch(BINDINGS, "shop-orders", {"status": {"user": "root"}}, namespace="default", subresource="status")
        with pytest.raises(Forbidden):
            await ann.create(BINDINGS, binding(), "kube-system")
