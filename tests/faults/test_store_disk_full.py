"""A full disk refuses writes with a sentence, takes nothing half, and is forgiven once there is space."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.engine.store import StorageFailed, StorageFull, Store
from tests.contracts.store import A, B, value


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_refuses_writes_until_there_is_space(tmp_path: Path) -> None:
    command = ["unshare", "--mount", sys.executable, "-m", "tests.faults.store_on_a_small_disk", str(tmp_path)]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    sentence, *words = run.stdout.splitlines()
    assert "no space left on its disk; free some and repeat the write" in sentence
    assert words == ["told-only-what-is-stored", "nothing-pending", "writes-again", "survives"]


async def test_a_failing_write_takes_the_writes_that_build_on_it_along(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "state.db") as store:
        connection = store._database._connection
        await store.create(B, value("b"))
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        first = asyncio.ensure_future(store.create(A, value(text="x" * 50_000)))
        await asyncio.sleep(0)
        latest = store.latest(A)
        assert latest is not None
        second = asyncio.ensure_future(store.update(A, value(), expected=latest.revision))
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(result) for result in results] == [StorageFull, StorageFull]
        assert store.latest(A) is None
        connection.execute("PRAGMA max_page_count = 1000000")
        record = await store.create(A, value())
        assert record.revision > latest.revision + 1


async def test_a_revision_of_a_failed_write_is_not_given_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with Store.open(path) as store:
        connection: sqlite3.Connection = store._database._connection
        await store.create(B, value("b"))
        connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StorageFailed, match="was not stored"):
            await store.create(A, value())
        failed = store.revision + 1
        connection.execute("PRAGMA query_only = OFF")
    async with Store.open(path) as store:
        assert (await store.create(A, value())).revision > failed
