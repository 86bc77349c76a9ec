"""`ph mysql set`: what `create` takes, changed of an instance that is there."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from pilothouse.cli.mysql.command import mysql
from pilothouse.cli.mysql.setting import changed, refuse_constant
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import BACKUP_STORES, MYSQLS
from tests.cli.mysql.played import STARTED, TEAM, condition, online, played

NOTHING = {"no_param": (), "disallow": [], "disallow_metrics": [], "version": None, "image": None}


def options_of(command: str) -> dict[str, click.Option]:
    found = mysql.get_command(click.Context(mysql), command)  # type: ignore[attr-defined]
    return {each.opts[0]: each for each in found.params if isinstance(each, click.Option)}


def test_every_option_of_a_creation_can_be_changed_or_is_refused_with_the_way_to_another_instance() -> None:
    assert set(options_of("create")) - set(options_of("set")) == {"--at", "--from-volumes"}
    assert {name for name, option in options_of("set").items() if option.hidden} == {"--flavour", "--storage-class", "--from"}


def test_a_restored_instance_can_be_given_what_a_created_one_can() -> None:
    assert set(options_of("create")) - set(options_of("restore")) == {"--flavour", "--version", "--image", "--from", "--from-volumes"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"parameters": {"max_connections": "300"}}, {"max-connections": None, "max_connections": "300"}),
        ({"no_param": ("max-connections",)}, {"max-connections": None}),
        ({"parameters": {"sync_frm": "0"}}, {"sync_frm": "0"}),
    ],
)
def test_a_setting_is_changed_in_the_place_of_its_other_spellings(given: Object, wanted: Object) -> None:
    instance: Object = {"metadata": {"name": "orders"}, "spec": {"parameters": {"max-connections": "200"}}}
    assert changed(instance, NOTHING | given)["parameters"] == wanted


async def test_several_fields_change_at_once_and_one_command_takes_all_of_it_back(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = archived
        before = await there.instance(access={"clients": [{"cidr": "10.1.0.0/16"}]}, backup={"keep": {"days": 30}})
        words = ["--backup-schedule", "30 3 * * *", "--backup-keep", "14", "--backup-keep-days", "0", "--archive", "--memory", "1Gi"]
        more = [
            "--allow",
            "tools/app=x",
            "--disallow",
            "10.1.0.0/16",
            "--no-protection",
            "--no-final-backup",
            "--param",
            "max-connections=70",
        ]
        told = await there.told("set", "orders", *words, *more)
        assert "restarts: none\n  read-only: 0 s\n" in told
        assert "backups are taken at 30 3 * * * UTC" in told
        assert "let in: tools/app=x" in told
        after = await there.spec()
        assert after["backup"] == before["spec"]["backup"] | {"schedule": "30 3 * * *", "archive": True, "keep": {"count": 14}}
        assert after["access"]["clients"] == [{"namespace": "tools", "labels": {"app": "x"}}]
        assert (after["deletionProtection"], after["finalBackup"], after["resources"]["memory"]) == (False, False, "1Gi")
        back = next(line for line in told.splitlines() if line.strip().startswith("undo: ")).partition("mysql ")[2].rstrip("`")
        await there.mysql(*shlex.split(back.removesuffix(f" -n {TEAM}")))
        assert {key: value for key, value in (await there.spec()).items() if key != "parameters"} == before["spec"]
        assert not (await there.spec())["parameters"]


def archived(instance: Object) -> Object:
    found = online(instance)
    return found | {"conditions": [*found["conditions"], condition("Archiving", "True", "Following")]}


async def test_a_dry_run_announces_as_data_too_and_changes_nothing(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        before = await there.instance()
        said = json.loads(await there.mysql("set", "orders", "--backup-keep", "3", "--dry-run", "-o", "json"))
        assert (said["restarts"], said["readOnlySeconds"], said["notes"]) == ([], 0.0, ["scheduled backups beyond the newest 3 go"])
        assert said["undo"] == "ph mysql set orders --backup-keep 7"
        assert await there.spec() == before["spec"]
        shown = json.loads(await there.mysql("set", "orders", "--backup-keep", "3", "-o", "json"))
        assert shown["spec"]["backup"]["keep"]["count"] == 3


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ({"flavour": "mysql"}, "mysql create orders-new --flavour mysql -n team`"),
        ({"storage_class": "fast"}, "mysql create orders-new --storage-class fast --from orders -n team`"),
        ({"source": "b1"}, "orders has data of its own"),
    ],
)
def test_what_never_changes_is_refused_with_the_way_to_another_instance(given: dict[str, str], way: str) -> None:
    with pytest.raises(click.UsageError, match=re.escape(way)):
        refuse_constant("orders", TEAM, {"flavour": None, "storage_class": None, "source": None} | given)


async def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        before = await there.instance(size="2Gi")
        assert "never made smaller" in await there.refused("set", "orders", "--size", "1Gi")
        assert "there is no BackupStore far in namespace team" in await there.refused("set", "orders", "--backup-store", "far")
        assert await there.spec() == before["spec"]


async def test_backups_go_to_another_store_and_back_to_the_usual_one(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        await there.instance()
        await there.client.create(BACKUP_STORES, {"metadata": {"name": "far", "namespace": TEAM}, "spec": {"volume": {"size": "1Gi"}}})
        told = await there.told("set", "orders", "--backup-store", "far")
        assert "backups go to store far from now on; those in store default stay and can be restored" in told
        assert "mysql set orders --backup-store ''" in told
        await there.mysql("set", "orders", "--backup-store", "")
        assert (await there.spec())["backup"]["store"] == ""


async def test_a_deletion_that_waits_for_the_protection_is_not_carried_out_by_the_way(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        made = await there.client.create(
            MYSQLS, {"metadata": {"name": "orders", "namespace": TEAM, "finalizers": ["databases.pilothouse.dev/instance"]}, "spec": {}}
        )
        await there.settled(made)
        await there.client.delete(MYSQLS, "orders", TEAM)
        assert "mysql protect orders --off -n team` asks" in await there.refused("set", "orders", "--no-protection")
        assert (await there.spec())["deletionProtection"]


def instance(**spec: object) -> Object:
    return {"metadata": {"name": "orders"}, "spec": spec}


def test_a_client_that_is_let_in_already_is_let_in_once() -> None:
    now = instance(access={"clients": [{"labels": {"app": "a"}}], "metrics": []})
    given = NOTHING | {"allow": [{"labels": {"app": "a"}}, {"cidr": "10.1.0.0/16"}]}
    assert changed(now, given) == {"access": {"clients": [{"labels": {"app": "a"}}, {"cidr": "10.1.0.0/16"}]}}


def test_who_was_never_let_in_is_named_with_those_who_are() -> None:
    now = instance(access={"clients": [{"namespace": "tools", "labels": {}}]})
    with pytest.raises(click.ClickException, match=r"app=b is no client of orders: it has tools/"):
        changed(now, NOTHING | {"disallow": [{"labels": {"app": "b"}}]})


def test_settings_are_added_and_taken_away_beside_the_others() -> None:
    now = instance(parameters={"max_connections": "50", "wait_timeout": "60"})
    given = NOTHING | {"parameters": {"max_connections": "70"}, "no_param": ("wait-timeout",)}
    assert changed(now, given) == {"parameters": {"max_connections": "70", "wait_timeout": None}}


async def test_what_a_move_took_before_is_what_the_next_one_is_announced_to_take(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = lambda obj: online(
            obj, move={"kind": "switchover", "startedAt": STARTED, "finishedAt": STARTED, "readOnlySeconds": 0.234}
        )
        made = await there.instance(replicas=3)
        assert "read-only: about 0.23 s, as the switchover of" in await there.told("restart", meta.name(made), "--dry-run")
