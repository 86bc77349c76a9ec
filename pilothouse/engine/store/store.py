"""The store: optimistic concurrency on the event loop, durability in the writer thread, reads from memory.

A write is checked against the latest state (committed or on its way), gets its revision, is encoded once and queued. Once its batch
is on disk it becomes visible, is pushed to the watches in revision order, and its caller is answered: nobody ever sees a
write that a power cut could take back. A batch that fails takes every write behind it along, for they may build on it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.engine.store.database import Database, Row, checksum
from pilothouse.engine.store.durability import Durability
from pilothouse.engine.store.errors import Compacted, FutureRevision, KeyExists, Mismatch, StorageFailed, StoreBusy, StoreClosed
from pilothouse.engine.store.history import History, Limits
from pilothouse.engine.store.loading import load
from pilothouse.engine.store.lock import exclusive
from pilothouse.engine.store.record import Change, ChangeType, Record
from pilothouse.engine.store.shelves import Shelves, covers
from pilothouse.engine.store.watches import Sink, Watch, Watches
from pilothouse.engine.store.writer import Compaction, Write, Writer
from pilothouse.model.json import Object, dumps

QUEUE_BOUND = 10_000
_GARBAGE_AT_ONCE = 500


class Store:
    """revision: the last committed one, what lists report. compacted: watches must start at it or after it."""

    def __init__(self, database: Database, shelves: Shelves, history: History, revision: int, clock: Callable[[], float]) -> None:
        self.revision = revision
        self._database = database
        self._shelves = shelves
        self._history = history
        self._clock = clock
        self._watches = Watches()
        self._durability = Durability(revision)
        self._assigned = revision
        self._pending: dict[str, Change] = {}
        self._waiting = 0
        self._garbage: list[int] = []
        self._closed = False
        self._writer = Writer(database, self._commit, self._fail, self._put_back)
        self._compact()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path | str, *, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> AsyncIterator["Store"]:
        """Raises StoreLocked, StoreCorrupt, StoreTooNew, StoreUnusable, each with a sentence for the person at the keyboard."""
        path = Path(path)
        with exclusive(path):
            database = await asyncio.to_thread(Database.open, path)
            try:
                shelves, history, revision = await asyncio.to_thread(load, database, limits or Limits())
                store = cls(database, shelves, history, revision, clock)
                try:
                    yield store
                finally:
                    await store._close()
            finally:
                await asyncio.to_thread(database.close)

    @property
    def compacted(self) -> int:
        return self._history.compacted

    def get(self, key: str) -> Record | None:
        return self._shelves.get(key)

    def latest(self, key: str) -> Record | None:
        """Including writes still on their way to disk: what a new write is based on."""
        pending = self._pending.get(key)
        if pending is None:
            return self._shelves.get(key)
        return None if pending.type == "DELETED" else pending.record

    async def durable(self, revision: int) -> None:
        """Returns once the revision and all before it are committed; raises StorageFailed as its write did.

        For answers that were judged on a record of `latest` without a write of their own: nobody may learn of a
        state that a power cut could take back. FutureRevision: no write has been given that revision.
        """
        if revision > self._assigned:
            raise FutureRevision(revision, self._assigned)
        await self._durability.reached(revision)

    def scan(self, prefix: str) -> list[Record]:
        return self._shelves.scan(prefix)

    def count(self, prefix: str) -> int:
        return self._shelves.count(prefix)

    def scan_at(self, prefix: str, revision: int) -> list[Record]:
        """What `scan` gave at a past revision. Raises Compacted, FutureRevision."""
        self._check_reachable(revision)
        found = self._shelves.scan(prefix)
        changes = [change for change in self._history.before(revision) if covers(prefix, change.key)]
        return _undo(found, changes) if changes else found

    async def create(self, key: str, value: Object) -> Record:
        """Raises KeyExists, and StorageFailed like every write."""
        current = self.latest(key)
        if current is not None:
            raise KeyExists(current)
        revision = self._next_revision()
        return await self._queue("ADDED", _encode(key, revision, revision, value), None)

    async def update(self, key: str, value: Object, *, expected: int) -> Record:
        """Raises Mismatch unless the latest revision of the object is the expected one."""
        current = self._expect(key, expected)
        return await self._queue("MODIFIED", _encode(current.key, self._next_revision(), current.created, value), current)

    async def delete(self, key: str, *, expected: int, value: Object | None = None) -> Record:
        """Returns the tombstone: the last value, or the given one, with the deletion's revision. Raises Mismatch."""
        current = self._expect(key, expected)
        last = current.value if value is None else value
        return await self._queue("DELETED", _encode(current.key, self._next_revision(), current.created, last), current)

    def watch(self, prefix: str, since: int, sink: Sink) -> Watch:
        """Replay what came after `since`, then follow. Raises Compacted, FutureRevision; a closed watch is never called again."""
        self._check_reachable(since)
        for change in self._history.after(since):
            if covers(prefix, change.key):
                sink(change)
        return self._watches.add(prefix, sink)

    def _check_reachable(self, revision: int) -> None:
        if revision < self.compacted:
            raise Compacted(revision, self.compacted)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)

    def _expect(self, key: str, expected: int) -> Record:
        current = self.latest(key)
        if current is None or current.revision != expected:
            raise Mismatch(key, expected, current)
        return current

    def _next_revision(self) -> int:
        if self._closed:
            raise StoreClosed(self._database.path)
        if self._waiting >= QUEUE_BOUND:
            raise StoreBusy(self._waiting)
        self._assigned += 1
        return self._assigned

    def _queue(self, kind: ChangeType, record: Record, previous: Record | None) -> asyncio.Future[Record]:
        change = Change(kind, record, previous, int(self._clock()))
        key, raw = record.key, record.raw
        row = Row(record.revision, key, record.created, kind == "DELETED", change.at, checksum(record.revision, key, raw), raw)
        write = Write(change, row, asyncio.get_running_loop().create_future())
        self._pending[key] = change
        self._waiting += 1
        self._writer.put(write)
        return write.done

    def _commit(self, batch: list[Write]) -> None:
        for write in batch:
            self._apply(write.change)
            if not write.done.done():  # Its caller may have gone; the write stands.
                write.done.set_result(write.change.record)
        self._waiting -= len(batch)
        self._durability.commit(self.revision)
        self._compact()

    def _apply(self, change: Change) -> None:
        record = change.record
        self.revision = record.revision
        if change.type == "DELETED":
            self._shelves.remove(record.key)
        else:
            self._shelves.put(record)
        if self._pending[record.key] is change:
            del self._pending[record.key]
        self._history.append(change)
        self._watches.publish(change)
        change.retire()

    def _fail(self, batch: list[Write], error: StorageFailed) -> None:
        lost = batch + self._writer.withdraw()
        self._pending.clear()
        self._waiting = 0
        self._durability.fail(self._assigned, error)
        for write in lost:
            if not write.done.done():
                write.done.set_exception(error)
        self._writer.resume()

    def _compact(self) -> None:
        self._garbage += self._history.trim(self._clock())
        if len(self._garbage) >= _GARBAGE_AT_ONCE:
            self._hand_over_garbage()

    def _hand_over_garbage(self) -> None:
        self._writer.put(Compaction(tuple(self._garbage), self.revision, self.compacted))
        self._garbage.clear()

    def _put_back(self, compaction: Compaction) -> None:
        """The disk took no deletion; the rows are tried again with the next ones."""
        self._garbage += compaction.garbage

    async def _close(self) -> None:
        self._closed = True
        # Also when there is no garbage: the marks keep a revision that a failed write was given from being given again.
        self._writer.put(Compaction(tuple(self._garbage), self._assigned, self.compacted))
        await self._writer.close()


def _encode(key: str, revision: int, created: int, value: Object) -> Record:
    stamped = value | {"metadata": value["metadata"] | {"resourceVersion": str(revision)}}
    return Record(key, revision, created, dumps(stamped), stamped)


def _undo(found: list[Record], changes: list[Change]) -> list[Record]:
    """Take changes, newest first, back out of a sorted list of records."""
    state = {record.key: record for record in found}
    for change in changes:
        if change.previous is None:
            state.pop(change.key, None)
        else:
            state[change.key] = change.previous
    return [state[key] for key in sorted(state)]
