"""A network that is cut: never are there two members that acknowledge."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.rig.writers import Plan, writing
from tests.e2e.databases.cut import cut
from tests.e2e.databases.test_failover import write_for
from tests.e2e.databases.trio import Trio
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
REPLACED_S = 30.0
CUT_S = 10.0
"""For which it goes on after another primary was there."""


def addresses(trio: Trio, members: Sequence[str]) -> list[str]:
    return [trio.pod(member)["status"]["podIP"] for member in members]


def test_a_primary_that_is_cut_off_acknowledges_nothing_once_another_one_does(trio: Trio, plan: Plan, tmp_path: Path) -> None:
    """A client beside it still reaches it."""
    old, others = trio.primary, trio.replicas
    beside = trio.plan(tmp_path, "beside", host=addresses(trio, [old])[0], tag=f"{plan.tag}b")
    with writing(plan) as writers, writing(beside) as there:
        write_for(writers, 1)
        write_for(there, 1)
        with cut(trio.server(old), addresses(trio, others), from_platform=True):
            began = time.monotonic()
            first = eventually(lambda: next((each for each in writers.written().acknowledged if each.server in others), None), REPLACED_S)
            time.sleep(CUT_S)
            late = [each for each in there.written().acknowledged if each.ended >= first.ended]
            assert there.written().failed, "nobody has tried to write at the old primary"
            assert not late, f"{len(late)} rows were acknowledged by the old primary after the new one's first"
        trio.until_well(120, but=old)
        here_written, there_written = writers.stop(), there.stop()
    print(f"another primary acknowledged {first.ended - began:.2f} s after the cut")  # noqa: T201
    assert trio.sql(old, "SELECT @@read_only") == "1"
    trio.require_whole(plan, here_written)
    trio.require_whole(beside, there_written)


def test_a_primary_that_only_the_platform_does_not_reach_stays(trio: Trio, plan: Plan, tmp_path: Path) -> None:
    term, old = trio.status["term"], trio.primary
    beside = trio.plan(tmp_path, "beside", host=addresses(trio, [old])[0], tag=plan.tag)
    with writing(beside) as writers:
        write_for(writers, 1)
        with cut(trio.server(old), from_platform=True):
            time.sleep(CUT_S)
        trio.until_well()
        written = writers.stop()
    assert trio.status["term"] == term
    assert not written.failed
    trio.require_whole(beside, written)


def test_writes_go_on_while_one_replica_is_cut_off_from_the_primary(trio: Trio, plan: Plan) -> None:
    term, old, away = trio.status["term"], trio.primary, trio.replicas[0]
    with writing(plan) as writers:
        write_for(writers, 1)
        with cut(trio.server(old), addresses(trio, [away])):
            moment = time.monotonic() + CUT_S / 2
            time.sleep(CUT_S)
            assert writers.written().next_after(moment), "nothing was written while one of two replicas was away"
        trio.until_well(120)
        written = writers.stop()
    assert trio.status["term"] == term
    trio.require_whole(plan, written)
