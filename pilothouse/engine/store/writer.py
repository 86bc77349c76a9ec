"""The thread that brings writes to disk: whatever has queued becomes one transaction, so one fsync acknowledges many.

Contract with the event loop: `committed` is called once a batch, in order. After a failure the thread stands still until
the loop has called `resume`; in between the loop takes back everything queued behind the failure (`withdraw`), since
those writes may be based on ones that do not exist now.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue

from pilothouse.engine.store.database import ROWS_AT_ONCE, Database, Row
from pilothouse.engine.store.errors import StorageFailed
from pilothouse.engine.store.record import Change, Record

SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter from this thread. Python's 5 ms, a handful of times a batch, would hold up all
writes whenever the loop is busy: 60 a second were measured beside a saturated loop instead of 3,000."""


@dataclass(frozen=True, slots=True)
class Write:
    change: Change
    row: Row
    done: asyncio.Future[Record]


@dataclass(frozen=True, slots=True)
class Compaction:
    garbage: tuple[int, ...]
    revision: int
    compacted: int


class Writer:
    def __init__(
        self,
        database: Database,
        committed: Callable[[list[Write]], None],
        failed: Callable[[list[Write], StorageFailed], None],
        not_compacted: Callable[[Compaction], None],
    ) -> None:
        self._database = database
        self._committed = committed
        self._failed = failed
        self._not_compacted = not_compacted
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Write | Compaction | None] = SimpleQueue()
        self._resumed = threading.Event()
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, item: Write | Compaction) -> None:
        self._queue.put(item)

    def withdraw(self) -> list[Write]:
        """Take back the writes that are queued; only while the thread stands still."""
        items = list(self._queued())
        for item in items:
            if not isinstance(item, Write):
                self._queue.put(item)
        return [item for item in items if isinstance(item, Write)]

    def resume(self) -> None:
        self._resumed.set()

    async def close(self) -> None:
        """Returns once everything queued is on disk and reported."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        # The thread's last report was scheduled before it ended, so it runs before whatever is scheduled now.
        await asyncio.sleep(0)

    def _run(self) -> None:
        items: list[Write | Compaction | None] = []
        while None not in items:
            items = [self._queue.get(), *islice(self._queued(), ROWS_AT_ONCE - 1)]
            writes = [item for item in items if isinstance(item, Write)]
            if writes:
                self._commit(writes)
            for item in items:
                if isinstance(item, Compaction):
                    self._compact(item)

    def _commit(self, batch: list[Write]) -> None:
        try:
            self._database.append([write.row for write in batch])
        except StorageFailed as error:
            self._resumed.clear()
            self._loop.call_soon_threadsafe(self._failed, batch, error)
            self._resumed.wait()
        else:
            self._loop.call_soon_threadsafe(self._committed, batch)

    def _compact(self, compaction: Compaction) -> None:
        try:
            self._database.compact(compaction.garbage, compaction.revision, compaction.compacted)
        except StorageFailed:
            self._loop.call_soon_threadsafe(self._not_compacted, compaction)

    def _queued(self) -> Iterator[Write | Compaction | None]:
        """What lies in the queue now, without waiting."""
        with suppress(Empty):
            while True:
                yield self._queue.get_nowait()
