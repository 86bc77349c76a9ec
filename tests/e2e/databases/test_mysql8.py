"""MySQL 8 in real containers: made, upgraded from the release of its distribution to its newest update, killed, moved and resized."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.rig import containers
from bench.rig.writers import Plan, writing
from pilothouse.model import meta
from pilothouse.oci.packages import archives
from pilothouse.oci.packages.programs import ProgramImages
from pilothouse.platform.databases.mysql.image import MYSQL as PROGRAM
from tests.e2e.databases.test_failover import write_for
from tests.e2e.databases.test_moves import switch_over
from tests.e2e.databases.trio import MYSQL, NAME, Trio
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def images(cluster: Instance, tmp_path_factory: pytest.TempPathFactory) -> ProgramImages:
    return ProgramImages(PROGRAM, f"127.0.0.1:{cluster.registry_port}", tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def old(images: ProgramImages) -> str:
    """The version that the distribution was released with, whose image is in the registry."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(archives._ARCHIVES, "noble", replace(archives.UBUNTU, pockets=("",)))
        return asyncio.run(images.renew("8.0")).version


@pytest.fixture(scope="module")
def new(images: ProgramImages, old: str) -> str:
    """The newest one."""
    return asyncio.run(images.renew("8.0")).version


@pytest.fixture(scope="module")
def made8(cluster: Instance, old: str) -> Iterator[Trio]:
    trio = Trio(cluster, "mysql8", MYSQL)
    trio.create(version=old)
    yield trio
    trio.kubectl("delete", "mysql", NAME, "--wait=false")


@pytest.fixture
def trio(made8: Trio) -> Trio:
    made8.until_well()
    return made8


def ask(trio: Trio, **spec: object) -> None:
    trio.kubectl("patch", "mysql", NAME, "--type=merge", "-p", json.dumps({"spec": spec}))


def versions(trio: Trio) -> set[str]:
    return {each["version"] for each in trio.status.get("members", ())}


def accepted(trio: Trio) -> dict[str, str]:
    return meta.condition({"status": trio.status}, "Accepted") or {}


def test_members_are_upgraded_one_by_one_while_clients_write_and_do_not_go_back(trio: Trio, plan: Plan, old: str, new: str) -> None:
    assert versions(trio) == {old}
    with writing(replace(plan, think_s=0.02, attempts=2, pings=True)) as writers:
        write_for(writers, 2)
        ask(trio, version=new)
        eventually(lambda: versions(trio) == {new}, 600, 1)
        trio.until_well(120)
        written = writers.stop()
    assert trio.status["dataVersion"] == new
    assert not written.lost()
    trio.require_whole(plan, written)

    ask(trio, version=old)
    eventually(lambda: accepted(trio).get("status") == "False", 30)
    assert f"version {old} is older than {new}, whose files it cannot read" in accepted(trio)["message"]
    ask(trio, version=new)
    eventually(lambda: accepted(trio).get("status") == "True", 30)
    trio.until_well()


def test_nothing_acknowledged_is_lost_when_the_primarys_server_is_killed(trio: Trio, plan: Plan) -> None:
    with writing(plan) as writers:
        write_for(writers, 2)
        killed = trio.primary
        trio.kill_server(killed)
        trio.until_well(120, but=killed)
        write_for(writers, 1)
        written = writers.stop()
    trio.require_whole(plan, written)


def test_a_primary_hands_over(trio: Trio, plan: Plan) -> None:
    before = trio.primary
    with writing(replace(plan, think_s=0.02, attempts=2, pings=True)) as writers:
        write_for(writers, 1)
        switch_over(trio)
        trio.until_well(120, but=before)
        written = writers.stop()
    assert not written.lost()
    trio.require_whole(plan, written)


def test_memory_grows_in_place(trio: Trio) -> None:
    primary = trio.primary
    server, before = trio.server(primary), int(trio.sql(primary, "SELECT @@innodb_buffer_pool_size"))
    ask(trio, resources={"cpu": "400m", "memory": "512Mi"})
    eventually(lambda: int(trio.sql(primary, "SELECT @@innodb_buffer_pool_size")) > before, 60, 1)
    trio.until_well(120)
    assert trio.server(primary) == server
    assert containers.name(server) == "mysqld"


def test_a_single_member_runs_from_an_image_that_is_named(cluster: Instance, new: str) -> None:
    single = Trio(cluster, "mysql8-single", replace(MYSQL, spec={"flavour": "mysql", "image": named(cluster, new)}))
    single.create(replicas=1)
    status = single.status
    assert status["imageAsked"].endswith(f":{new}")
    assert "@sha256:" in status["image"]
    assert (status["version"], versions(single)) == (new, {new})
    single.kubectl("delete", "mysql", NAME, "--wait=false")


def test_an_image_without_a_server_is_a_reason(cluster: Instance) -> None:
    image = f"127.0.0.1:{cluster.registry_port}/bases/pilothouse.local/builder:2"
    single = Trio(cluster, "mysql8-lacking", replace(MYSQL, spec={"flavour": "mysql", "image": image}))
    with pytest.raises(AssertionError):
        single.create(replicas=1, within_s=45)
    ready = meta.condition({"status": single.status}, "Ready") or {}
    assert ready["reason"] == "ImageLacks"
    assert "orders-0 cannot run: its image lacks mysqld mysql" in ready["message"]
    single.kubectl("delete", "mysql", NAME, "--wait=false")


def named(cluster: Instance, version: str) -> str:
    return f"127.0.0.1:{cluster.registry_port}/{PROGRAM.repository}:{version}"
