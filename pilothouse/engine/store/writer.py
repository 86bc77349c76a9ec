"""The thread that brings writes to disk: whatever has queued becomes one transaction, so one fsync acknowledges many.

Contract with the event loop: `committed` is called once a batch, in order. After a failure the thread stands still until
the loop has called `resume`; in between the loop takes back everything queued behind the failure (`withdraw`), since
those writes may be based on ones that do not exist now. After anything that leaves the disk's state unknown, or that nobody
foresaw, `broken` is called and the thread ends: nothing more is written.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from pilothouse.aio.priority import as_others, go_first
from pilothouse.engine.store.database import ROWS_AT_ONCE, Database, Row
from pilothouse.engine.store.errors import StorageFailed, StoreBroken
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.sealing import SealError


class QueuedWrite(NamedTuple):
    change: Change
    row: Row
    done: asyncio.Future[Record]


@dataclass(frozen=True, slots=True)
class Compaction:
    garbage: tuple[int, ...]
    revision: int
    compacted: int


@dataclass(frozen=True, slots=True)
class Chore:
    """Something else to be done in the thread, between two batches. done: the future that waits for it."""

    work: Callable[[Database], Any]
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Reports:
    """What the thread tells; each is called on the event loop."""

    committed: Callable[[list[QueuedWrite]], None]
    failed: Callable[[list[QueuedWrite], StorageFailed], None]
    broken: Callable[[list[QueuedWrite], StoreBroken], None]


_Item = QueuedWrite | Compaction | Chore | None
"""None: the thread is to end."""


class Writer:
    def __init__(self, database: Database, reports: Reports) -> None:
        self._database = database
        self._reports = reports
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._resumed = threading.Event()
        self._owed: tuple[int, ...] = ()
        self._in_hand: list[QueuedWrite] = []
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, item: QueuedWrite | Compaction | Chore) -> None:
        self._queue.put(item)

    def withdraw(self) -> list[QueuedWrite]:
        """Take back the writes that are queued; only while the thread stands still or has ended."""
        items = list(self._queued())
        for item in items:
            if not isinstance(item, QueuedWrite):
                self._queue.put(item)
        return [item for item in items if isinstance(item, QueuedWrite)]

    def resume(self) -> None:
        self._resumed.set()

    async def close(self) -> None:
        """Returns once everything queued is on disk and reported."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        # The thread's last report was scheduled before it ended, so it runs before whatever is scheduled now.
        await asyncio.sleep(0)

    def _run(self) -> None:
        # Of the time that writes wait while all processors are busy, the thread's own wait for one is the greatest part.
        go_first()
        items: list[_Item] = []
        while None not in items:
            items = [self._queue.get(), *islice(self._queued(), ROWS_AT_ONCE - 1)]
            try:
                self._carry_out(items)
            except BaseException as error:  # WHY every one: a thread that ends unseen leaves all writes waiting for ever.
                self._report_broken(error)
                return

    def _carry_out(self, items: list[_Item]) -> None:
        self._in_hand = [item for item in items if isinstance(item, QueuedWrite)]
        if self._in_hand:
            self._commit(self._in_hand)
        self._in_hand = []
        for item in items:
            if isinstance(item, Compaction):
                self._compact(item)
            elif isinstance(item, Chore):
                self._do(item)

    def _commit(self, batch: list[QueuedWrite]) -> None:
        try:
            self._database.append([write.row for write in batch])
        except StoreBroken:
            raise
        except StorageFailed as error:
            self._resumed.clear()
            self._loop.call_soon_threadsafe(self._reports.failed, batch, error)
            self._resumed.wait()
        else:
            self._loop.call_soon_threadsafe(self._reports.committed, batch)

    def _compact(self, compaction: Compaction) -> None:
        # A tombstone must not go before what it ended: rows that the disk would not delete go together with the next ones.
        garbage = self._owed + compaction.garbage
        try:
            self._database.compact(garbage, compaction.revision, compaction.compacted)
        except StoreBroken:
            raise
        except StorageFailed:
            self._owed = garbage
        else:
            self._owed = ()

    def _do(self, chore: Chore) -> None:
        try:
            with as_others():
                result = chore.work(self._database)
        except StoreBroken:
            raise
        except (StorageFailed, SealError) as error:
            self._loop.call_soon_threadsafe(_fail, chore.done, error)
        else:
            self._loop.call_soon_threadsafe(_finish, chore.done, result)

    def _report_broken(self, error: BaseException) -> None:
        if isinstance(error, StoreBroken):
            broken = error
        else:
            broken = StoreBroken(self._database.path, f"the thread that writes it ended ({type(error).__name__}: {error})")
            broken.__cause__ = error
        with suppress(RuntimeError):  # The loop has ended: nobody waits any more.
            self._loop.call_soon_threadsafe(self._reports.broken, self._in_hand, broken)

    def _queued(self) -> Iterator[_Item]:
        """What lies in the queue now, without waiting."""
        with suppress(Empty):
            while True:
                yield self._queue.get_nowait()


def _finish(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():  # Whoever asked may have gone.
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
