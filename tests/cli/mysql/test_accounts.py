"""`ph mysql users`, `databases`, `rotate`, `backup` and `restore`, as a namespace's administrator."""

import asyncio
import json
from pathlib import Path

import pytest

from pilothouse.cli.mysql import accounts
from pilothouse.cli.mysql.accounts import object_name
from pilothouse.cli.mysql.change import How
from pilothouse.cli.mysql.restart import _rotate_user
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import BACKUPS, BINDINGS, MYSQL_DATABASES, MYSQL_USERS, MYSQLS
from tests.cli.mysql.played import TEAM, Played, condition, online, played, ready, taken


async def user(there: Played, name: str = "orders-reports") -> Object:
    return await there.client.get(MYSQL_USERS, name, TEAM)


async def test_an_account_comes_and_goes(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        said = await there.mysql("users", "add", "orders", "reports", "--grant", "select,insert", "--on", "orders.items")
        assert said == "reports is an account of orders; its password is in the Secret orders-reports\n"
        assert (await user(there))["spec"]["grants"] == [{"privileges": ["SELECT", "INSERT"], "target": "orders.items"}]
        assert "SELECT, INSERT on orders.items" in await there.mysql("users", "list", "orders")
        await there.mysql("users", "remove", "orders", "reports", "--yes")
        assert json.loads(await there.mysql("users", "list", "orders", "-o", "json")) == []


async def test_rights_are_given_and_taken_one_by_one(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        await there.mysql("users", "add", "orders", "reports")
        said = await there.mysql("users", "grant", "orders", "reports", "SELECT,SHOW VIEW", "--on", "orders")
        assert said == "reports may do SELECT, SHOW VIEW on orders\n"
        assert "nothing has changed" in await there.mysql("users", "grant", "orders", "reports", "SELECT", "--on", "orders")
        await there.mysql("users", "revoke", "orders", "reports", "SHOW VIEW", "--on", "orders")
        assert (await user(there))["spec"]["grants"] == [{"privileges": ["SELECT"], "target": "orders"}]
        assert "DELETE on orders was not given" in await there.refused("users", "revoke", "orders", "reports", "DELETE", "--on", "orders")
        assert "has no user nobody: it has reports, orders (its own)" in await there.refused("users", "grant", "orders", "nobody", "ALL")


async def test_rights_that_nobody_is_given_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert "SUPER cannot be granted on *" in await there.refused("users", "add", "orders", "reports", "--grant", "SUPER")
        assert not (await there.client.list_all(MYSQL_USERS, TEAM)).items
        await there.mysql("users", "add", "orders", "reports", "--grant", "SELECT", "--on", "orders")
        assert "SUPER cannot be granted on *" in await there.refused("users", "grant", "orders", "reports", "SUPER")
        assert (await user(there))["spec"]["grants"] == [{"privileges": ["SELECT"], "target": "orders"}]
        assert "database mysql is the server's own" in await there.refused("databases", "add", "orders", "mysql")
        assert not (await there.client.list_all(MYSQL_DATABASES, TEAM)).items


async def test_a_right_that_the_server_refuses_is_taken_back_and_holds_up_nothing_else(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        await there.mysql("users", "add", "orders", "reports", "--grant", "SELECT", "--on", "orders")
        before = (await user(there))["spec"]["grants"]
        there.plays[MYSQL_USERS] = lambda obj: {
            "observedGeneration": meta.generation(obj),
            "rotatedAt": obj["spec"].get("rotatedAt", ""),
            "conditions": [condition("Ready", "False", "GrantsRefused", "no such table")],
        }
        said = await there.refused("users", "grant", "orders", "reports", "INSERT", "--on", "orders.nothing")
        assert "the account is as before: no such table" in said
        assert (await user(there))["spec"]["grants"] == before
        assert "not all rights are carried out" in await there.told("users", "revoke", "orders", "reports", "SELECT", "--on", "orders")
        assert "grants" not in (await user(there))["spec"] or not (await user(there))["spec"]["grants"]
        assert "the new password of reports" in await there.mysql("users", "rotate", "orders", "reports")
        table = await there.mysql("users", "list", "orders")
        assert next(line for line in table.splitlines() if line.startswith("reports")).split()[2] == "GrantsRefused"
        assert "reports: no such table" in table


async def test_the_instances_own_database_and_account_are_named_and_left_alone(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        for kind, what in (("users", "user"), ("databases", "database")):
            assert "the instance's own" in await there.mysql(kind, "list", "orders")
            assert f"{what} orders is orders's own" in await there.refused(kind, "remove", "orders", "orders", "--yes")
            assert f"{what} orders is orders's own" in await there.refused(kind, "add", "orders", "orders")
            await there.mysql(kind, "add", "orders", "more")
            assert f"orders has a {what} more already" in await there.refused(kind, "add", "orders", "more")


async def test_what_a_server_refuses_of_an_account_is_said(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        there.plays[MYSQL_USERS] = lambda obj: {
            "observedGeneration": meta.generation(obj),
            "conditions": [condition("Ready", "False", "NoPassword", "the Secret has no key `password`")],
        }
        said = await there.refused("users", "add", "orders", "plain", "--timeout", "3")
        assert "the Secret has no key `password`" in said


async def test_passwords_are_made_anew_of_an_instance_or_of_an_account(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert await there.mysql("rotate", "orders") == "orders has new passwords\n"
        await there.mysql("users", "add", "orders", "reports")
        expected = "the new password of reports is in the Secret orders-reports\n"
        assert await there.mysql("rotate", "orders", "--user", "reports") == expected
        first = (await user(there))["spec"]["rotatedAt"]
        assert await there.mysql("users", "rotate", "orders", "reports") == expected
        assert (await user(there))["spec"]["rotatedAt"] > first


async def test_an_account_of_a_binding_is_changed_through_that(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        spec = {"app": "shop", "service": {"name": "orders"}}
        binding = await there.client.create(BINDINGS, {"metadata": {"name": "shop-orders", "namespace": TEAM}, "spec": spec})
        owner = meta.owner_reference(binding, BINDINGS.api_version, BINDINGS.kind)
        named = {"name": "bound", "namespace": TEAM, "ownerReferences": [owner]}
        await there.client.create(MYSQL_USERS, {"metadata": named, "spec": {"instance": "orders", "name": "shop"}})
        assert "the app of binding shop-orders is rolled out" in await there.told("users", "rotate", "orders", "shop")
        assert (await there.client.get(BINDINGS, "shop-orders", TEAM))["spec"]["rotatedAt"]
        assert not (await user(there, "bound"))["spec"].get("rotatedAt")
        assert "made by the binding shop-orders" in await there.refused("users", "remove", "orders", "shop", "--yes")


async def test_a_rollout_with_the_new_password_is_waited_for_as_long_as_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "GIVE_UP_S", 0.0)
    async with played(tmp_path) as there:
        instance = await there.instance()
        spec = {"app": "shop", "service": {"name": "orders"}}
        made = await there.client.create(BINDINGS, {"metadata": {"name": "shop-orders", "namespace": TEAM}, "spec": spec})
        owner = meta.owner_reference(made, BINDINGS.api_version, BINDINGS.kind)
        named = {"name": "bound", "namespace": TEAM, "ownerReferences": [owner]}
        await there.client.create(MYSQL_USERS, {"metadata": named, "spec": {"instance": "orders", "name": "shop"}})
        there.plays[BINDINGS] = lambda obj: {
            "observedGeneration": meta.generation(obj),
            "conditions": [condition("Ready", "False", "RollingOut", "the new revision is being rolled out")],
        }
        rotating = asyncio.create_task(_rotate_user(there.client, instance, "shop", How(timeout_s=20)))
        assert not (await asyncio.wait({rotating}, timeout=1))[0], "it has given up"
        rolled_out = await there.client.get(BINDINGS, "shop-orders", TEAM)
        await there.client.update_status(BINDINGS, rolled_out | {"status": ready(rolled_out)})
        await rotating


async def test_a_database_comes_and_goes_with_its_tables_when_asked(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert await there.mysql("databases", "add", "orders", "archive") == "archive is a database of orders\n"
        assert "archive" in await there.mysql("databases", "list", "orders")
        assert "its tables stay in the server" in await there.told("databases", "remove", "orders", "archive", "--dry-run")
        assert "there is none" in await there.told("databases", "remove", "orders", "archive", "--drop", "--yes")
        assert not (await there.client.list_all(MYSQL_DATABASES, TEAM)).items


def test_objects_of_names_that_no_object_can_have_do_not_meet() -> None:
    assert object_name("orders", "reports") == "orders-reports"
    assert len({object_name("orders", name) for name in ("a_b", "a-b", "A_b", "a.b")}) == 4


async def test_a_backup_counts_when_it_was_restored(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        said = await there.mysql("backup", "orders", "--method", "logical")
        assert "is taken (3Mi in 2.0 s); restored and compared: 3 tables, 70 rows, 1.5 s" in said
        (made,) = (await there.client.list_all(BACKUPS, TEAM)).items
        assert (made["spec"]["method"], made["spec"]["service"]) == ("logical", {"kind": "MySQL", "name": "orders"})
        assert meta.name(made) in await there.mysql("backup", "--list")
        assert "restored and compared" in await there.mysql("backup", "orders", "--verify", meta.name(made))


async def test_a_backup_that_fails_says_why(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        there.plays[BACKUPS] = lambda obj: taken(obj) | {"phase": "Failed", "message": "the store is full: make room, or raise its size"}
        assert "failed: the store is full: make room" in await there.refused("backup", "orders")
        there.plays[BACKUPS] = lambda obj: taken(obj) | {"conditions": [condition("Verified", "False", "Differs", "table a.b differs")]}
        (made,) = (await there.client.list_all(BACKUPS, TEAM)).items
        await there.client.delete(BACKUPS, meta.name(made), TEAM)
        assert "is of no use: table a.b differs" in await there.refused("backup", "orders")


async def backup(there: Played, name: str, of: str = "orders") -> None:
    await there.client.create(BACKUPS, {"metadata": {"name": name, "namespace": TEAM}, "spec": {"service": {"name": of}}})
    while not ((await there.client.get(BACKUPS, name, TEAM)).get("status") or {}).get("phase"):
        await asyncio.sleep(0.02)


async def test_an_instance_is_restored_beside_itself(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance(size="3Gi", parameters={"max_connections": "70"}, backup={"schedule": "0 3 * * *", "archive": True})
        assert "orders has no backup" in await there.refused("restore", "orders", "--to", "copy")
        await backup(there, "b1")
        await backup(there, "b2", of="other")
        assert "b2 is a backup of other, not of orders" in await there.refused("restore", "orders", "--to", "copy", "--backup", "b2")
        await there.mysql("restore", "orders", "--to", "copy", "--backup", "b1")
        spec = await there.spec("copy")
        assert (spec["restore"], spec["size"], spec["parameters"]) == ({"backup": "b1"}, "3Gi", {"max_connections": "70"})
        assert not (spec.get("backup") or {}).get("schedule")
        for words in (("restore", "orders", "--to", "early"), ("create", "early", "--from", "orders")):
            said = await there.refused(*words, "--at", "2020-01-01T00:00:00Z")
            assert "no backup of orders has succeeded before 2020-01-01T00:00:00Z: the first one was taken at 2026-11-30T10:00" in said
        await there.mysql("restore", "orders", "--to", "then", "--at", "2026-11-30T12:00:00+01:00")
        assert (await there.spec("then"))["restore"] == {"instance": "orders", "time": "2026-11-30T11:00:00Z"}


async def test_a_time_that_no_log_reaches_is_refused(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance("plain")
        await backup(there, "b0", of="plain")
        assert "archives no log of changes" in await there.refused("restore", "plain", "--to", "copy", "--at", "1h")
        there.plays[MYSQLS] = lambda instance: online(instance, archivedUntil="2026-11-30T12:00:00Z")
        await there.instance(backup={"archive": True})
        await backup(there, "b1")
        said = await there.refused("restore", "orders", "--to", "copy", "--at", "2026-11-30T12:00:01Z")
        assert "orders is archived until 2026-11-30T12:00:00Z" in said


async def test_an_instance_that_is_gone_is_restored_from_its_backups(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await backup(there, "b1", of="gone")
        await there.mysql("create", "again", "--from", "gone", "--size", "2Gi")
        assert (await there.spec("again"))["restore"] == {"instance": "gone"}
        kept = {"spec": {"parameters": {"max_connections": "70"}, "replicas": 3, "backup": {"schedule": "0 3 * * *"}}, "database": "gone"}
        said = {"status": {"source": kept, "phase": "Succeeded", "finishedAt": "2026-11-30T12:00:00Z"}}
        await there.client.patch(BACKUPS, "b1", said, namespace=TEAM, subresource="status")
        await there.mysql("restore", "gone", "--to", "gone")
        spec = await there.spec("gone")
        assert (spec["parameters"], spec["replicas"], spec["backup"]["schedule"]) == ({"max_connections": "70"}, 3, "0 3 * * *")
        await there.mysql("create", "same", "--from", "b1")
        assert (await there.spec("same"))["restore"] == {"backup": "b1"}
        assert "neither a backup nor an instance x" in await there.refused("create", "new", "--from", "x")
