import base64
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.errors import Invalid
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.databases.resource import BINDINGS, MYSQL_DATABASES, MYSQL_USERS, MYSQLS
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.databases.binding.live import databases

SHOP = {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}}


def binding(name: str = "shop-orders", **spec: object) -> Object:
    return {"metadata": {"name": name}, "spec": {"app": "shop", "service": {"name": "orders"}, **spec}}


def bound(obj: Object) -> bool:
    observed = (obj.get("status") or {}).get("observedGeneration") == meta.generation(obj)
    return observed and meta.is_true(obj, "Ready")


def reason(obj: Object) -> str:
    return str((meta.condition(obj, "Ready") or {}).get("reason", ""))


async def values(cluster: Cluster, secret: str) -> dict[str, str]:
    found = await cluster.get(kinds.SECRETS, secret)
    assert found is not None
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


async def served(cluster: Cluster) -> dict[str, str]:
    """The variables that the app's replicas have by now, out of the copies of its Secrets."""
    deployment = await cluster.get(kinds.DEPLOYMENTS, "shop")
    assert deployment is not None
    found: dict[str, str] = {}
    for source in deployment["spec"]["template"]["spec"]["containers"][0].get("envFrom") or ():
        found |= await values(cluster, source["secretRef"]["name"])
    return found


async def test_a_bound_app_serves_with_variables_that_the_server_takes(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        done = await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        found = await served(given.cluster)
        url = urlsplit(found["ORDERS_URL"])
        assert (url.scheme, url.hostname, url.port, url.path) == ("mysql", "orders.default.svc", 3306, "/orders")
        assert given.primary("orders").takes(unquote(url.username or ""), unquote(url.password or ""))
        assert (found["ORDERS_USER"], done["status"]["user"]) == ("shop-orders", "shop-orders")
        assert found["ORDERS_CA"].startswith("PEM of ")
        assert given.primary("orders").accounts["shop-orders"]["grants"] == [{"privileges": ["ALL"], "on": "orders"}]


async def test_an_unbound_app_is_rolled_out_before_its_account_goes(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        await given.cluster.client.delete(BINDINGS, "shop-orders", "default")
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "Draining")
        assert await served(given.cluster) == {}
        assert "shop-orders" in given.primary("orders").accounts
        given.wait(61)
        await given.cluster.until(MYSQL_USERS, lambda items: not items, "no account")
        assert set(given.primary("orders").accounts) == {"orders"}
        assert await given.cluster.get(kinds.SECRETS, "shop-orders") is None
        app = await given.cluster.get(APPS, "shop")
        assert app is not None
        assert not app["spec"].get("secrets")


async def test_no_login_fails_while_a_password_is_rotated(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        primary = given.primary("orders")
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        before = (await served(given.cluster))["ORDERS_PASSWORD"]
        at = "2026-11-30T12:30:00Z"
        await given.cluster.patch(BINDINGS, "shop-orders", {"spec": {"rotatedAt": at}})
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: bound(obj) and obj["status"]["rotatedAt"] == at)
        after = (await served(given.cluster))["ORDERS_PASSWORD"]
        assert before != after
        assert primary.takes("shop-orders", before)
        assert primary.takes("shop-orders", after)
        given.wait(61)
        await given.cluster.until_one(MYSQL_USERS, "shop-orders", _settled)
        assert not primary.takes("shop-orders", before)
        assert primary.takes("shop-orders", after)
        done = await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        assert done["status"]["rotatedAt"] == at


async def test_an_account_that_is_rotated_by_itself_takes_its_app_along(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        primary = given.primary("orders")
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        for at in ("2026-11-30T12:30:00Z", "2026-11-30T12:40:00Z"):
            before = (await served(given.cluster))["ORDERS_PASSWORD"]
            await given.cluster.patch(MYSQL_USERS, "shop-orders", {"spec": {"rotatedAt": at}})
            await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj, at=at: bound(obj) and obj["status"]["rotatedAt"] == at)  # type: ignore[misc]
            assert primary.takes("shop-orders", before)
            assert primary.takes("shop-orders", (await served(given.cluster))["ORDERS_PASSWORD"])
            given.wait(61)
            await given.cluster.until_one(MYSQL_USERS, "shop-orders", _settled)
            assert not primary.takes("shop-orders", before)


def _settled(user: Object) -> bool:
    """Its old password has ended, and the next one would be kept."""
    return bound(user) and not user["status"]["oldValidUntil"] and user["spec"]["keepOldSeconds"] > 0


async def test_the_old_password_works_as_long_as_the_app_does_not_come_up_with_the_new_one(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        async with kubelet(given.cluster):
            await given.create("orders")
            await given.cluster.create(APPS, SHOP)
            await given.cluster.create(BINDINGS, binding())
            await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        before = (await served(given.cluster))["ORDERS_PASSWORD"]
        async with kubelet(given.cluster, ready=False):
            await given.cluster.patch(BINDINGS, "shop-orders", {"spec": {"rotatedAt": "2026-11-30T12:30:00Z"}})
            await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "RollingOut")
            given.wait(3600)
            await given.cluster.until_one(MYSQL_USERS, "shop-orders", bound)
            assert given.primary("orders").takes("shop-orders", before)


async def test_a_binding_counts_as_soon_as_app_and_service_are_there(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "NoService")
        await given.create("orders")
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "NoApp")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)


async def test_an_app_of_two_bindings_has_the_variables_of_both(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.create("stock-eu")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.create(BINDINGS, binding("shop-stock-eu", service={"name": "stock-eu"}, rights="read"))
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        await given.cluster.until_one(BINDINGS, "shop-stock-eu", bound)
        found = await served(given.cluster)
        assert found["ORDERS_DATABASE"] == "orders"
        assert found["STOCK_EU_DATABASE"] == "stock_eu"
        grants = given.primary("stock-eu").accounts["shop-stock-eu"]["grants"]
        assert grants == [{"privileges": ["SELECT", "SHOW VIEW"], "on": "stock_eu"}]


async def test_variables_that_the_app_has_from_elsewhere_are_a_conflict(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "env": {"ORDERS_URL": "x"}}})
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "Conflict")
        app = await given.cluster.get(APPS, "shop")
        assert app is not None
        assert not app["spec"].get("secrets")
        await given.cluster.patch(BINDINGS, "shop-orders", {"spec": {"prefix": "DB"}})
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        assert "DB_URL" in await served(given.cluster)


async def test_a_secret_of_somebodys_is_left_alone(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(kinds.SECRETS, {"metadata": {"name": "shop-orders"}, "stringData": {"KEY": "mine"}})
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "NameTaken")
        assert await values(given.cluster, "shop-orders") == {"KEY": "mine"}
        await given.cluster.client.delete(kinds.SECRETS, "shop-orders", "default")
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)


async def test_bindings_go_when_app_or_service_are_gone(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        await given.cluster.client.delete(MYSQLS, "orders", "default")
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "NoService")
        assert "ORDERS_URL" in await served(given.cluster)
        await given.cluster.client.delete(APPS, "shop", "default", propagation="Background")
        await given.cluster.until(APPS, lambda items: not items)
        await given.cluster.client.delete(BINDINGS, "shop-orders", "default")
        for resource in (BINDINGS, MYSQL_USERS):
            await given.cluster.until(resource, lambda items: not items, f"no {resource.plural}")


async def test_an_app_that_does_not_come_up_without_its_variables_keeps_the_account(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding())
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        await given.cluster.patch(APPS, "shop", {"spec": {"env": {"A=B": "x"}}})
        await given.cluster.client.delete(BINDINGS, "shop-orders", "default")
        stuck = await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "StillUsed")
        assert "ph unbind shop orders --force" in (meta.condition(stuck, "Ready") or {})["message"]
        given.wait(600)
        assert "shop-orders" in given.primary("orders").accounts
        await given.cluster.patch(
            BINDINGS, "shop-orders", {"metadata": {"annotations": {"databases.pilothouse.dev/unbind-at-once": "yes"}}}
        )
        await given.cluster.until(MYSQL_USERS, lambda items: not items, "no account")


async def test_another_database_is_named_once_it_is_there(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(BINDINGS, binding(database="reports"))
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: reason(obj) == "NoDatabase")
        await given.cluster.create(MYSQL_DATABASES, {"metadata": {"name": "reports"}, "spec": {"instance": "orders"}})
        await given.cluster.until_one(BINDINGS, "shop-orders", bound)
        assert (await served(given.cluster))["ORDERS_DATABASE"] == "reports"


async def test_a_binding_stays_with_its_app_and_service(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.cluster.create(BINDINGS, binding())
        for change in ({"app": "blog"}, {"service": {"name": "stock"}}):
            with pytest.raises(Invalid, match="a binding stays with its app and service"):
                await given.cluster.patch(BINDINGS, "shop-orders", {"spec": change})
        await given.cluster.patch(BINDINGS, "shop-orders", {"spec": {"rights": "read"}})
