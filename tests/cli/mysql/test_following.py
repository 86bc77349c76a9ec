"""When waiting for an instance ends: at the cause that will not pass, after trouble that stays, and when nobody looks at it."""

import asyncio
import time
from pathlib import Path

import click
import pytest

from pilothouse.cli.mysql import standing
from pilothouse.cli.mysql.following import Following
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import MYSQLS
from tests.cli.mysql.played import TEAM, Played, condition, online, played

AWAY = "orders-0 does not answer: it is started again"


async def followed(there: Played, **patience: float) -> Object:
    return await Following(there.client, "orders", TEAM, **patience).until(standing.lacking, 8)


def troubled(instance: Object) -> Object:
    return online(instance, phase="Failed", conditions=[condition("Ready", "False", "PrimaryAway", AWAY)])


async def test_trouble_that_passes_is_waited_for_and_its_seconds_are_counted(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = troubled
        instance = await there.instance()
        following = Following(there.client, "orders", TEAM, give_up_s=5)

        async def mend() -> None:
            await asyncio.sleep(0.7)
            await there.client.update_status(MYSQLS, instance | {"status": online(instance)})

        _, found = await asyncio.gather(mend(), following.until(standing.lacking, 8))
        assert found["status"]["phase"] == "Online"
        assert following.unready_s > 0.4


async def test_trouble_that_stays_ends_the_waiting_with_its_sentence(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = troubled
        await there.instance()
        with pytest.raises(click.ClickException, match=f"nothing has changed for .* s: {AWAY}; .*why mysql/orders"):
            await followed(there, give_up_s=0.5)


async def test_a_member_that_cannot_run_ends_the_waiting_although_the_others_serve(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        bad = [condition("Ready", "True", "Serving"), condition("Healthy", "False", "Unschedulable", "orders-2 has no node")]
        there.plays[MYSQLS] = lambda instance: online(instance, phase="Degraded", readyReplicas=2, conditions=bad)
        await there.instance(replicas=3)
        with pytest.raises(click.ClickException, match="orders-2 has no node"):
            await followed(there, give_up_s=0.5)


async def test_an_instance_that_nobody_looks_at_is_given_up(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        there.plays[MYSQLS] = lambda instance: None
        await there.client.create(MYSQLS, {"metadata": {"name": "orders", "namespace": TEAM}, "spec": {}})
        with pytest.raises(click.ClickException, match=r"no platform has looked at orders for 0\.5 s"):
            await followed(there, unseen_s=0.5)


async def test_one_that_is_deleted_meanwhile_ends_the_waiting(tmp_path: Path) -> None:
    async with played(tmp_path) as there:
        begun = time.monotonic()
        with pytest.raises(click.ClickException, match="deleted meanwhile"):
            await followed(there)
        assert time.monotonic() - begun < 5


def test_what_is_lacking_is_said_by_name() -> None:
    instance: Object = {
        "metadata": {"name": "orders", "generation": 2},
        "spec": {"replicas": 1, "version": "10.11.19", "resources": {"cpu": "1", "memory": "1Gi"}},
    }
    whole = {
        "observedGeneration": 2,
        "phase": "Online",
        "readyReplicas": 1,
        "conditions": [condition("Ready", "True", "Serving")],
        "members": [{"name": "orders-0", "version": "10.11.19-MariaDB", "cpu": "1000m", "memory": "1024Mi"}],
    }
    assert standing.lacking(instance | {"status": whole}) == ""
    for changed, said in (
        ({"observedGeneration": 1}, "waiting for the platform"),
        ({"readyReplicas": 0}, "0 of 1 members are ready"),
        ({"members": [{"name": "orders-0", "cpu": "500m"}]}, "orders-0 has 500m of cpu and is to have 1"),
        ({"members": [{"name": "orders-0", "version": "10.11.18"}]}, "orders-0 runs 10.11.18 and is to run 10.11.19"),
        ({"phase": "Changing"}, "it is changing"),
    ):
        assert standing.lacking(instance | {"status": whole | changed}) == said


@pytest.mark.parametrize(
    ("full", "wanted", "is_it"),
    [("10.11.18", "10.11", True), ("10.11.18-MariaDB", "10.11.18", True), ("10.11.18", "10.1", False), ("10.11.18", "10.11.1", False)],
)
def test_a_version_is_asked_for_by_its_beginning(full: str, wanted: str, is_it: bool) -> None:
    assert standing.is_version(full, wanted) is is_it


def test_servers_that_were_started_anew_are_known_by_their_pods_or_by_the_operator() -> None:
    def pod(uid: str, restarts: int = 0) -> Object:
        status = {"containerStatuses": [{"name": "database", "restartCount": restarts}, {"name": "agent", "restartCount": 5}]}
        return {"metadata": {"name": "orders-0", "uid": uid}, "status": status}

    def instance(at: str = "", **spec: object) -> Object:
        return {"spec": spec, "status": {"members": [{"name": "orders-0", "startedAt": at}]}}

    before = standing.servers(instance(), [pod("a")])
    assert standing.restarted(before, standing.servers(instance(), [pod("a")])) == []
    for after in (
        standing.servers(instance(), [pod("b")]),
        standing.servers(instance(), [pod("a", 1)]),
        standing.servers(instance("x"), [pod("a")]),
    ):
        assert standing.restarted(before, after) == ["orders-0"]
    assert standing.restarted(standing.servers(instance(suspended=True), []), before) == []
