"""`ph mysql`: what people make, change and delete, as a namespace's administrator."""

import asyncio
import json
from pathlib import Path

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import BACKUP_STORES, BACKUPS, MYSQLS
from tests.cli.mysql.played import EVE, TEAM, condition, failed, member, online, played


async def test_an_instance_that_answers_is_said_where_it_is(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        said = await there.mysql("create", "orders", "--size", "2Gi", "--cpu", "1", "--replicas", "3", "--param", "max-connections=50")
        assert "host:     orders.team.svc:3306" in said
        assert "replicas: orders-read.team.svc:3306" in said
        assert "account:  Secret orders (" in said
        assert "mysql connect orders -n team" in said
        spec = await there.spec()
        assert (spec["size"], spec["resources"], spec["replicas"]) == ("2Gi", {"cpu": "1", "memory": "512Mi"}, 3)
        assert spec["parameters"] == {"max_connections": "50"}


async def test_what_is_asked_for_at_creation_is_in_the_object(tmp_path: Path) -> None:
    options = ["--backup-schedule", "30 3 * * *", "--archive", "--backup-store", "far", "--allow", "tools/app=x", "--allow", "10.1.0.0/16"]
    async with played(tmp_path) as there:
        assert "there is no BackupStore far in namespace team: there is none at all" in await there.refused("create", "orders", *options)
        await there.client.create(BACKUP_STORES, {"metadata": {"name": "far", "namespace": TEAM}, "spec": {"volume": {"size": "1Gi"}}})
        await there.mysql("create", "orders", *options, "--flavour", "mysql", "--version", "8.4", "--no-protection", "--no-wait")
        spec = await there.spec()
        assert {key: spec["backup"][key] for key in ("schedule", "archive", "store")} == {
            "schedule": "30 3 * * *",
            "archive": True,
            "store": "far",
        }
        assert spec["access"]["clients"] == [{"namespace": "tools", "labels": {"app": "x"}}, {"cidr": "10.1.0.0/16"}]
        assert (spec["flavour"], spec["version"], spec["deletionProtection"]) == ("mysql", "8.4", False)


async def test_what_the_cluster_has_not_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        hard = {"requests.memory": "1Gi"}
        await there.client.create(kinds.RESOURCEQUOTAS, {"metadata": {"name": "small", "namespace": TEAM}, "spec": {"hard": hard}})
        said = await there.refused("create", "orders", "--replicas", "3", "--dry-run")
        assert "quota small leaves not enough requests.memory for 3 members: 0 of 1Gi are used" in said
        assert "mariadb has no version 8.0" in await there.refused("create", "orders", "--version", "8.0", "--dry-run")
        assert "kind: MySQL\n" in await there.mysql("create", "orders", "--dry-run")
        assert not (await there.client.list_all(MYSQLS, TEAM)).items


async def test_a_dry_run_of_a_creation_shows_the_object_and_makes_nothing(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        shown = await there.mysql("create", "orders", "--dry-run")
        assert "kind: MySQL\n" in shown
        with pytest.raises(NotFound):
            await there.spec()


async def test_a_name_that_is_taken_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.client.create(kinds.SECRETS, {"metadata": {"name": "blog", "namespace": TEAM}})
        assert "taken by the Secret blog" in await there.refused("create", "blog")
        await there.instance("orders")
        assert "there is an instance orders" in await there.refused("create", "orders")
        assert [meta.name(each) for each in (await there.client.list_all(MYSQLS, TEAM)).items] == ["orders"]


async def test_what_the_operator_refuses_ends_the_waiting_at_once(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = failed("QuotaExceeded", "exceeded quota: small, requested: memory=512Mi; ask for less")
        async with asyncio.timeout(15):
            assert "orders is not as asked for: exceeded quota: small" in await there.refused("create", "orders")


async def test_what_goes_on_too_long_is_named_with_what_it_waits_for(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = lambda instance: online(
            instance, phase="Creating", conditions=[condition("Ready", "False", "Starting", "orders-0 pulls its image")]
        )
        said = await there.refused("create", "orders", "--timeout", "1")
        assert "orders is not as asked for after 1 s: orders-0 pulls its image" in said
        assert "why mysql/orders -n team" in said


async def test_resources_change_in_place_and_the_way_back_is_said(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        told = await there.told("resize", "orders", "--memory", "1Gi")
        assert "restarts: none\n  read-only: 0 s" in told
        assert "mysql resize orders --memory 512Mi" in told
        assert "restarts: none (announced: none)" in told
        assert (await there.spec())["resources"] == {"cpu": "500m", "memory": "1Gi"}


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        before = await there.instance()
        for words in (["resize", "orders", "--memory", "1Gi"], ["suspend", "orders"], ["scale", "orders", "3"], ["restart", "orders"]):
            assert "restarts: " in await there.told(*words, "--dry-run")
        assert await there.spec() == before["spec"]


async def test_a_volume_is_never_made_smaller(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance(size="2Gi")
        said = await there.refused("resize", "orders", "--size", "1Gi")
        assert "never made smaller" in said
        assert "--from orders" in said
        await there.mysql("resize", "orders", "--size", "4Gi")
        assert (await there.spec())["size"] == "4Gi"


async def test_what_is_so_already_is_not_written(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        before = await there.instance()
        assert "nothing has changed" in await there.told("resize", "orders", "--memory", "512Mi", "--cpu", "500m")
        assert "nothing has changed" in await there.told("resume", "orders")
        assert meta.generation(await there.client.get(MYSQLS, "orders", TEAM)) == meta.generation(before)


async def test_suspended_and_back(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert await there.mysql("suspend", "orders") == "orders is suspended\n"
        assert "suspended" in await there.refused("restart", "orders")
        assert "Suspended" in await there.mysql("list")
        assert await there.mysql("resume", "orders") == "orders answers\n"


async def test_a_restart_is_compared_with_what_was_announced(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance(replicas=3)
        told = await there.told("restart", "orders")
        assert "restarts: orders-1, orders-2, orders-0\n" in told
        assert "restarts: orders-0, orders-1, orders-2 (announced: orders-1, orders-2, orders-0)" in told


async def test_another_member_becomes_the_primary_and_its_seconds_are_said(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance(replicas=3)
        await there.instance("single")
        assert "no other could take over" in await there.refused("switchover", "single")
        done = await there.ph("mysql", "switchover", "orders", "--to", "orders-2", "-n", TEAM)
        assert done.stdout == "orders-2 is the primary of orders\n"
        assert "read-only: 0.31 s (announced: about 1 s)" in done.stderr
        assert "mysql switchover orders --to orders-0" in done.stderr
        assert "orders has no member orders-7" in await there.refused("switchover", "orders", "--to", "orders-7")
        assert "is the primary already" in await there.refused("switchover", "orders", "--to", "orders-2")


async def test_a_primary_that_works_is_not_given_up(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance(replicas=3)
        assert "the primary orders-0 works" in await there.refused("failover", "orders", "--force")


async def test_a_failover_says_what_may_be_lost_and_is_forced(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        gone = [member("orders-0", "none", {}, ready=False, writable=False), *(member(f"orders-{n}", "replica", {}) for n in (1, 2))]
        there.plays[MYSQLS] = lambda instance: (
            online(instance)
            if instance["spec"].get("switchover")
            else online(instance, members=gone, acknowledging=["orders-1", "orders-2"])
        )
        await there.instance(replicas=3)
        assert "What orders-1 and orders-2 acknowledged stays" in await there.refused("failover", "orders", "--to", "orders-1")
        assert await there.mysql("failover", "orders", "--to", "orders-1", "--force") == "orders-1 is the primary of orders\n"
        assert (await there.spec())["switchover"]["force"] is True
        await there.mysql("switchover", "orders", "--to", "orders-2")
        assert "force" not in (await there.spec())["switchover"]


async def test_parameters_are_judged_before_they_are_written(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert "did you mean max_connections?" in await there.refused("params", "set", "orders", "max_conections=3")
        assert "it follows spec.resources.memory" in await there.refused("params", "set", "orders", "innodb_buffer_pool_size=1G")
        told = await there.told("params", "set", "orders", "max_connections=77", "performance_schema=ON")
        assert "performance_schema: the server reads it at its start alone" in told
        assert "mysql params unset orders max_connections performance_schema" in told
        said = await there.mysql("params", "set", "orders", "performance_schema=OFF")
        assert "performance_schema=OFF; performance_schema counts after `ph" in said
        await there.mysql("params", "set", "orders", "performance_schema=ON")
        shown = json.loads(await there.mysql("params", "show", "orders", "-o", "json"))
        assert [each["name"] for each in shown] == ["max_connections", "performance_schema"]
        await there.mysql("params", "unset", "orders", "max_connections")
        assert (await there.spec())["parameters"] == {"performance_schema": "ON"}
        assert "is no setting that was made" in await there.refused("params", "unset", "orders", "max_connections")


async def test_another_version_and_the_one_before(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = lambda instance: _running(instance, instance["spec"].get("version") or "10.11.18")
        await there.instance()
        assert "no version of orders before this one is known" in await there.refused("upgrade", "orders", "--undo")
        assert "whose files it cannot read" in await there.refused("upgrade", "orders", "--version", "10.6")
        assert "it runs 10.11.18 already" in await there.told("upgrade", "orders", "--version", "10.11.18", "--dry-run")
        assert "restarts: none" in await there.told("upgrade", "orders", "--version", "10.11", "--dry-run")
        assert await there.mysql("upgrade", "orders", "--version", "10.11.19") == "orders runs 10.11.19\n"
        assert await there.mysql("upgrade", "orders", "--undo") == "orders runs 10.11.18\n"


def _running(instance: Object, version: str) -> Object:
    members = [each | {"version": version} for each in online(instance)["members"]]
    return online(instance, version=version, members=members)


async def test_a_protected_instance_is_not_deleted(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert "mysql protect orders --off -n team` takes the protection away" in await there.refused("delete", "orders", "--yes")
        assert await there.mysql("protect", "orders", "--off") == "orders may be deleted\n"
        assert "There is no terminal to ask at: use --yes" in await there.refused("delete", "orders")
        await there.mysql("users", "add", "orders", "reports")
        await there.mysql("databases", "add", "orders", "archive")
        done = await there.ph("mysql", "delete", "orders", "--yes", "--no-final-backup", "-n", TEAM)
        assert done.stdout == "orders is deleted\n"
        assert "goes: data-orders-0 with all that is in it" in done.stderr
        assert "no last backup is taken" in done.stderr
        assert "counts for the next instance orders: MySQLUser reports, MySQLDatabase archive" in done.stderr
        with pytest.raises(NotFound):
            await there.spec()


async def test_a_deletion_that_waits_for_the_protection_is_told_before_that_goes(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        await there.client.patch(MYSQLS, "orders", {"metadata": {"finalizers": ["databases.pilothouse.dev/instance"]}}, namespace=TEAM)
        await there.client.delete(MYSQLS, "orders", TEAM)
        assert "waits: it is carried out as soon as its protection is taken away" in await there.mysql("show", "orders")
        done = await there.ph("mysql", "protect", "orders", "--off", "-n", TEAM)
        assert done.returncode == 1
        assert "orders was asked to be deleted at" in done.stderr
        assert "use --yes" in done.stderr
        assert (await there.spec())["deletionProtection"] is True
        assert await there.mysql("protect", "orders", "--off", "--yes") == "orders is being deleted\n"


async def test_a_deletion_that_cannot_go_on_says_why(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance(deletionProtection=False)
        await there.client.patch(MYSQLS, "orders", {"metadata": {"finalizers": ["databases.pilothouse.dev/instance"]}}, namespace=TEAM)
        why = condition("Deleting", "False", "FinalBackupFailed", "the last backup failed: the store is full")
        there.plays[MYSQLS] = lambda instance: online(instance, conditions=[why]) if meta.is_deleting(instance) else online(instance)
        assert "orders is not deleted: the last backup failed: the store is full" in await there.refused("delete", "orders", "--yes")


async def test_an_instance_is_shown_with_its_members_and_troubles(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        bad = [
            member("orders-0", "primary", {"resources": {"cpu": "1"}}, disk={"size": 100 << 20, "free": 25 << 20}),
            member("orders-1", "replica", {}, ready=False, lagSeconds=12.5, errant="0-2-7", message="it does not follow"),
        ]
        there.plays[MYSQLS] = lambda instance: online(
            instance,
            phase="Degraded",
            members=bad,
            conditions=[condition("Ready", "True", "Serving"), condition("Healthy", "False", "Errant", "orders-1 has more than orders-0")],
        )
        await there.instance(replicas=3)
        shown = await there.mysql("show", "orders")
        assert shown.startswith("orders is Degraded\n")
        assert "75% of 100Mi" in shown
        assert "it does not follow; has transactions that the primary has not: 0-2-7" in shown
        assert "Healthy: Errant: orders-1 has more than orders-0" in shown
        assert json.loads(await there.mysql("show", "orders", "-o", "json"))["metadata"]["name"] == "orders"


async def test_who_may_view_sees_and_changes_nothing(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert "orders" in await there.mysql("list", user=EVE)
        await there.mysql("show", "orders", user=EVE)
        assert "forbidden" in await there.refused("resize", "orders", "--cpu", "2", user=EVE)
        assert "forbidden" in await there.refused("create", "other", user=EVE)


async def test_the_status_is_the_platforms_to_write(tmp_path: Path) -> None:
    """The administrator of a namespace may ask for everything, and may not say that it is so."""
    async with played(tmp_path) as there:
        await there.instance()
        done = await there.ph("kubectl", "patch", "mysql", "orders", "-n", TEAM, "--subresource=status", "--type=merge", "-p", "{}")
        assert "forbidden" in done.stderr.lower()


async def test_a_name_that_is_nearly_right_is_offered(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        assert await there.refused("show", "ordesr") == "there is no instance ordesr in namespace team: did you mean orders?"
        assert "there is no instance ../x in namespace team" in await there.refused("show", "../x")


async def test_names_are_completed(tmp_path: Path) -> None:
    from tests.cli.test_completion import completed

    async with played(tmp_path) as there:
        await there.instance(replicas=3)
        await there.client.create(BACKUPS, {"metadata": {"name": "b1", "namespace": TEAM}, "spec": {"service": {"name": "orders"}}})
        for words, offers in (
            (["show", "-n", TEAM, ""], ["orders"]),
            (["reseed", "-n", TEAM, "orders", ""], ["orders-0", "orders-1", "orders-2"]),
            (["switchover", "-n", TEAM, "orders", "--to", ""], ["orders-0", "orders-1", "orders-2"]),
            (["create", "x", "-n", TEAM, "--from", ""], ["b1", "orders"]),
        ):
            found = await asyncio.to_thread(completed, "--kubeconfig", str(tmp_path / "ann"), "mysql", *words, home=tmp_path)
            assert sorted(found) == offers
