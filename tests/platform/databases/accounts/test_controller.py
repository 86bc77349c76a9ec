"""Accounts and databases on the engine's API server; the operator of databases and its primaries are played."""

from pathlib import Path

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.errors import Invalid
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import MYSQL_DATABASES, MYSQL_USERS, MYSQLS
from tests.platform.databases.binding.live import databases
from tests.platform.databases.binding.test_controller import bound, reason, values


def user(name: str = "ann", /, **spec: object) -> Object:
    return {"metadata": {"name": name}, "spec": {"instance": "orders", **spec}}


async def test_an_account_can_sign_in_with_the_password_of_its_secret(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user())
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        assert given.primary("orders").takes("ann", (await values(given.cluster, "orders-ann"))["password"])


async def test_a_rotated_account_has_two_passwords_for_a_while(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user(keepOldSeconds=60))
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        old = (await values(given.cluster, "orders-ann"))["password"]
        at = "2026-11-30T12:00:00Z"
        await given.cluster.patch(MYSQL_USERS, "ann", {"spec": {"rotatedAt": at}})
        await given.cluster.until_one(MYSQL_USERS, "ann", lambda obj: bound(obj) and obj["status"]["rotatedAt"] == at)
        new = (await values(given.cluster, "orders-ann"))["password"]
        assert [given.primary("orders").takes("ann", each) for each in (old, new)] == [True, True]
        given.wait(61)
        await given.cluster.until_one(MYSQL_USERS, "ann", lambda obj: bound(obj) and not obj["status"]["oldValidUntil"])
        assert [given.primary("orders").takes("ann", each) for each in (old, new)] == [False, True]


async def test_a_password_that_its_owner_changes_counts_and_stays_as_it_is(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(kinds.SECRETS, {"metadata": {"name": "mine"}, "stringData": {"password": "first"}})
        await given.cluster.create(MYSQL_USERS, user(secret="mine"))
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        changed = await given.cluster.patch(kinds.SECRETS, "mine", {"stringData": {"password": "second"}})
        version = meta.resource_version(changed)
        await given.cluster.until_one(MYSQL_USERS, "ann", lambda obj: bound(obj) and obj["status"]["secretVersion"] == version)
        assert given.primary("orders").takes("ann", "second")
        assert await values(given.cluster, "mine") == {"password": "second"}


async def test_an_instances_own_password_is_rotated(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user())
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        old = (await values(given.cluster, "orders"))["password"]
        at = "2026-11-30T12:00:00Z"
        await given.cluster.patch(MYSQLS, "orders", {"spec": {"rotatedAt": at}})
        await given.cluster.until_one(MYSQLS, "orders", lambda obj: (obj.get("status") or {}).get("rotatedAt") == at)
        new = (await values(given.cluster, "orders"))["password"]
        assert old != new
        assert [given.primary("orders").takes("orders", each) for each in (old, new)] == [True, True]


async def test_a_dropped_database_goes_and_a_kept_one_stays(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        for name, fate in (("kept", "keep"), ("gone", "drop")):
            await given.cluster.create(MYSQL_DATABASES, {"metadata": {"name": name}, "spec": {"instance": "orders", "onDelete": fate}})
            await given.cluster.until_one(MYSQL_DATABASES, name, bound)
            await given.cluster.client.delete(MYSQL_DATABASES, name, "default")
        await given.cluster.until(MYSQL_DATABASES, lambda items: not items, "no database")
        assert set(given.primary("orders").databases) == {"orders", "kept"}


async def test_what_is_deleted_while_suspended_is_dropped_when_the_instance_is_resumed(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user())
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        given.primary("orders").answers = False
        await given.cluster.patch(MYSQLS, "orders", {"spec": {"suspended": True}})
        await given.cluster.client.delete(MYSQL_USERS, "ann", "default")
        await given.cluster.until(MYSQL_USERS, lambda items: not items, "no account")
        assert "ann" in given.primary("orders").accounts
        given.primary("orders").answers = True
        await given.cluster.patch(MYSQLS, "orders", {"spec": {"suspended": False}})
        given.tell("default/orders")
        await given.cluster.until_one(MYSQLS, "orders", lambda obj: not meta.annotations(obj))
        assert "ann" not in given.primary("orders").accounts


async def test_accounts_go_with_their_namespace_though_nobody_answers(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user())
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        given.primary("orders").answers = False
        await given.cluster.client.delete(MYSQLS, "orders", "default")
        await given.cluster.client.delete(MYSQL_USERS, "ann", "default")
        await given.cluster.until(MYSQL_USERS, lambda items: not items, "no account")


async def test_accounts_and_databases_go_with_their_instance(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user())
        await given.cluster.create(MYSQL_DATABASES, {"metadata": {"name": "archive"}, "spec": {"instance": "orders"}})
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
        await given.cluster.until_one(MYSQL_DATABASES, "archive", bound)
        await given.cluster.client.delete(MYSQLS, "orders", "default")
        await given.cluster.until(MYSQL_USERS, lambda items: not items, "no account")
        await given.cluster.until(MYSQL_DATABASES, lambda items: not items, "no database")


async def test_another_account_for_the_name_waits_for_the_older_to_go(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.create(MYSQL_USERS, user("a", name="ann"))
        await given.cluster.until_one(MYSQL_USERS, "a", bound)
        await given.cluster.create(MYSQL_USERS, user("b", name="ann"))
        await given.cluster.until_one(MYSQL_USERS, "b", lambda obj: reason(obj) == "NameTaken")
        await given.cluster.client.delete(MYSQL_USERS, "a", "default")
        await given.cluster.until_one(MYSQL_USERS, "b", bound)
        assert given.primary("orders").takes("ann", (await values(given.cluster, "orders-b"))["password"])


async def test_what_an_account_is_does_not_change(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.cluster.create(MYSQL_USERS, user())
        for change in ({"instance": "stock"}, {"name": "eve"}):
            with pytest.raises(Invalid, match="instance and name do not change"):
                await given.cluster.patch(MYSQL_USERS, "ann", {"spec": change})


async def test_a_secret_that_the_cluster_refuses_is_said_until_it_is_taken(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        await given.create("orders")
        await given.cluster.until_one(kinds.SECRETS, "orders", bool)
        await given.cluster.create(kinds.RESOURCEQUOTAS, {"metadata": {"name": "few"}, "spec": {"hard": {"secrets": "1"}}})
        await given.cluster.until_one(kinds.RESOURCEQUOTAS, "few", lambda obj: (obj.get("status") or {}).get("used"))
        await given.cluster.create(MYSQL_USERS, user())
        refused = await given.cluster.until_one(MYSQL_USERS, "ann", lambda obj: reason(obj) == "Refused")
        assert "exceeded quota" in (meta.condition(refused, "Ready") or {})["message"]
        await given.cluster.client.delete(kinds.RESOURCEQUOTAS, "few", "default")
        await given.cluster.until_one(MYSQL_USERS, "ann", bound)
