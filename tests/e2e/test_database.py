"""A database: made, written to, handed over, killed and deleted as users do it.

Whatever else goes wrong with databases in real containers is in `tests/e2e/databases`, which takes too long for every run. The image is
made in the background by the run's instance, which has been up for long by the time it comes to this file.
"""

from pathlib import Path

import pytest

from bench.rig.writers import writing
from tests.e2e.databases.test_failover import acknowledged_after, write_for
from tests.e2e.databases.test_moves import switch_over
from tests.e2e.databases.trio import NAME, Trio
from tests.e2e.instance import Instance

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
NEXT_ROW_S = 30.0


def test_a_database_is_made_written_to_handed_over_killed_and_deleted(instance: Instance, tmp_path: Path) -> None:
    trio = Trio(instance, "database")
    trio.create()
    plan = trio.plan(tmp_path, think_s=0.02)
    with writing(plan) as writers:
        write_for(writers, 0)
        switch_over(trio)
        trio.until_well()
        old = trio.primary
        acknowledged_after(writers, trio.kill_server(old), NEXT_ROW_S)
        trio.until_well(but=old)
        written = writers.stop()
    trio.require_whole(plan, written)
    in_namespace = ("-n", trio.namespace)
    assert trio.primary in instance.ph("mysql", "show", NAME, *in_namespace).stdout
    assert instance.ph("mysql", "delete", NAME, "--yes", "--no-final-backup", *in_namespace).stdout == f"{NAME} is deleted\n"
    assert instance.get("pods,pvc", *in_namespace)["items"] == []
