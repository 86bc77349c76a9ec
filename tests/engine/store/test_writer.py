"""The thread that writes: what becomes of deletions the disk refuses, and of failures that nobody can judge."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest

from pilothouse.aio.priority import go_first
from pilothouse.engine.store import Store, StoreBroken
from pilothouse.engine.store import store as store_module
from pilothouse.engine.store.database import Database, Row, checksum
from pilothouse.engine.store.writer import Compaction, Reports, Writer
from tests.contracts.store import A, B, value


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(tmp_path / "state.db")
    yield opened
    opened.close()


def row(revision: int, *, deleted: bool = False) -> Row:
    return Row(revision, A, 1, deleted, 0, checksum(revision, A, b"{}"), b"{}")


async def test_a_tombstone_never_goes_before_what_it_ended(database: Database) -> None:
    database.append([row(1), row(2, deleted=True)])
    writer = Writer(database, Reports(lambda _: None, lambda *_: None, lambda *_: None))
    database._connection.execute("PRAGMA query_only = ON")
    writer.put(Compaction((1,), 2, 1))
    async with asyncio.timeout(10):
        while not writer._owed:
            await asyncio.sleep(0.001)
    database._connection.execute("PRAGMA query_only = OFF")
    writer.put(Compaction((2,), 2, 2))
    await writer.close()
    assert list(database.rows()) == []


class Lost(Exception):
    """Something that no one foresaw."""


@pytest.mark.parametrize("failure", [Lost("the disk has left"), MemoryError()])
async def test_a_writer_that_ends_unforeseen_breaks_the_store(tmp_path: Path, failure: Exception) -> None:
    class Failing(Database):
        def append(self, rows: list[Row]) -> None:
            raise failure

    async with Store.open(tmp_path / "state.db") as store:
        store._database.__class__ = Failing
        writes = await asyncio.gather(store.create(A, value()), store.create(B, value("b")), return_exceptions=True)
        assert [type(each) for each in writes] == [StoreBroken, StoreBroken]
        with pytest.raises(StoreBroken, match=type(failure).__name__):
            await store.failure()
        assert store.trouble()
        assert store.get(A) is None


async def test_health_asks_the_disk_even_when_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Database):
        gate = threading.Event()

        def marks(self) -> tuple[int, int]:
            self.gate.wait()
            return super().marks()

    monkeypatch.setattr(store_module, "_PATIENCE_S", 0.05)
    async with Store.open(tmp_path / "state.db") as store:
        store._database.__class__ = Stuck
        async with asyncio.timeout(10):
            while not store.trouble():
                await asyncio.sleep(0.01)
        assert "the disk has not answered for more than 0.05 s" in store.trouble()
        Stuck.gate.set()
        async with asyncio.timeout(10):
            while store.trouble():
                await asyncio.sleep(0.01)


async def test_writes_go_first_and_chores_as_anybody(tmp_path: Path) -> None:
    """Where the system allows it: no write waits for a processor behind work that never rests."""

    class Noting(Database):
        policies: ClassVar[list[int]] = []

        def append(self, rows: list[Row]) -> None:
            self.policies.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
            super().append(rows)

        def purge(self) -> None:
            self.policies.append(os.sched_getscheduler(0))
            super().purge()

    async with Store.open(tmp_path / "state.db") as store:
        store._database.__class__ = Noting
        await store.create(A, value())
        await store.seal_anew(all_rows=True)
    allowed: list[bool] = []
    probe = threading.Thread(target=lambda: allowed.append(go_first()))
    probe.start()
    probe.join()
    assert Noting.policies == [os.SCHED_RR if allowed[0] else os.SCHED_OTHER, os.SCHED_OTHER]
