"""A single member that becomes three while it is written to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rig.writers import TABLE, writing
from tests.e2e.databases.test_failover import acknowledged_after, write_for
from tests.e2e.databases.trio import CREATE_S, NAME, Trio
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def single(cluster: Instance) -> Iterator[Trio]:
    made = Trio(cluster, "growing")
    made.create(1)
    yield made
    made.kubectl("delete", "mysql", NAME, "--timeout=60s")


def test_replicas_join_from_a_live_copy_and_take_over(single: Trio, tmp_path: Path) -> None:
    single.sql(single.primary, TABLE)
    plan = single.plan(tmp_path, tag="g", think_s=0.005)
    with writing(plan) as writers:
        write_for(writers, 1)
        single.kubectl("patch", "mysql", NAME, "--type=merge", "-p", '{"spec": {"replicas": 3}}')
        eventually(lambda: len(single.status["members"]) == 3, 30)
        single.until_well(CREATE_S)
        before = writers.written()
        moment = single.kill_server(single.primary)
        acknowledged_after(writers, moment, 15)
        single.until_well()
        written = writers.stop()
    assert not before.failed
    single.require_whole(plan, written)
