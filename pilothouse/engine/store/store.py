"""The store: optimistic concurrency on the event loop, durability in the writer thread, reads from memory.

A write is checked against the latest state (committed or on its way), gets its revision, is encoded once and queued. Once its batch
is on disk it becomes visible, is pushed to the watches in revision order, and its caller is answered: nobody ever sees a
write that a power cut could take back. A batch that fails takes every write behind it along, for they may build on it.
A store that is broken (see `StoreBroken`) takes no write any more, and `failure` tells the process to end.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from pilothouse.engine.store.database import Database, Row, checksum
from pilothouse.engine.store.durability import Durability
from pilothouse.engine.store.errors import (
    Compacted,
    FutureRevision,
    KeyExists,
    Mismatch,
    StorageFailed,
    StoreBroken,
    StoreBusy,
    StoreClosed,
)
from pilothouse.engine.store.history import Limits
from pilothouse.engine.store.loading import Loaded, load
from pilothouse.engine.store.lock import exclusive
from pilothouse.engine.store.record import Change, ChangeType, Record
from pilothouse.engine.store.room import QUOTA_BYTES, Room
from pilothouse.engine.store.sealing import Plain, Sealing
from pilothouse.engine.store.shelves import covers
from pilothouse.engine.store.snapshot import Snapshot
from pilothouse.engine.store.watches import Selection, Sink, Watch, Watches
from pilothouse.engine.store.writer import Chore, Compaction, QueuedWrite, Reports, Writer
from pilothouse.model.json import Object, dumps_to_keep

QUEUE_BOUND = 10_000
PLAIN = Plain()
_GARBAGE_AT_ONCE = 500
_TURN_S = 0.005
"""How long committed writes are told to watchers before the event loop does something else."""

_PATIENCE_S = 10.0
"""How long a write may wait for the disk before the store calls itself unhealthy."""

_Result = TypeVar("_Result")


class Store:
    """revision: the last committed one, what lists report. compacted: watches of what has changed must start at it or after it."""

    def __init__(self, database: Database, loaded: Loaded, clock: Callable[[], float], room: Room, sealing: Sealing) -> None:
        self.revision = revision = loaded.revision
        self._database = database
        self._shelves = loaded.shelves
        self._history = loaded.history
        self._sealing = sealing
        self._is_stale = loaded.is_stale
        self._is_unpurged = loaded.is_unpurged
        self._probe: asyncio.Future[object] | None = None
        self._probe_since = 0.0
        self._clock = clock
        self._room = room
        self._decoded = loaded.decoded
        self._watches = Watches(self._break)
        self._durability = Durability(revision)
        self._assigned = revision
        self._pending: dict[str, Change] = {}
        self._waiting = 0
        self._waiting_since = 0.0
        self._committed: deque[QueuedWrite] = deque()
        self._garbage: list[int] = []
        self._closed = False
        self._broken: asyncio.Future[StoreBroken] = asyncio.get_running_loop().create_future()
        self._writer = Writer(database, Reports(self._commit, self._fail, self._fail_for_good))
        self._compact()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path | str,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        quota_bytes: int = QUOTA_BYTES,
        sealing: Sealing = PLAIN,
    ) -> AsyncIterator["Store"]:
        """quota_bytes: of all objects as JSON; a store that holds more already opens, and takes only what makes it smaller.

        Raises StoreLocked, StoreCorrupt, StoreTooNew, StoreUnusable, each with a sentence for the person at the keyboard."""
        path = Path(path)
        with exclusive(path):
            database = await asyncio.to_thread(Database.open, path)
            try:
                loaded = await asyncio.to_thread(load, database, limits or Limits(), sealing)
                room = Room(loaded.shelves.size_bytes(), quota_bytes)
                store = cls(database, loaded, clock, room, sealing)
                try:
                    yield store
                finally:
                    await store._close()
            finally:
                await asyncio.to_thread(database.close)

    @property
    def compacted(self) -> int:
        return self._history.compacted

    @property
    def used_bytes(self) -> int:
        """All objects as JSON, as the latest writes leave them."""
        return self._room.used_bytes

    @property
    def quota_bytes(self) -> int:
        return self._room.quota_bytes

    async def failure(self) -> NoReturn:
        """Raises StoreBroken once the store has stopped for good: its process must end then, and read the disk anew."""
        raise await asyncio.shield(self._broken)

    def trouble(self) -> str:
        """Why the store takes no writes, "" when it does."""
        if self._broken.done():
            return str(self._broken.result())
        if self._waiting and time.monotonic() - self._waiting_since > _PATIENCE_S:
            return f"{self._waiting} writes have been waiting for the disk for more than {_PATIENCE_S:g} s"
        return self._unanswered()

    def _unanswered(self) -> str:
        """Asks the writer thread, and the file under it, for an answer by the next call; why there was none since the last one."""
        probe = self._probe
        if probe is not None and not probe.done():
            late = time.monotonic() - self._probe_since > _PATIENCE_S
            return f"the disk has not answered for more than {_PATIENCE_S:g} s" if late else ""
        failure = None if probe is None else probe.exception()
        if not self._closed:
            self._probe, self._probe_since = asyncio.get_running_loop().create_future(), time.monotonic()
            self._writer.put(Chore(lambda database: database.marks(), self._probe))
        return "" if failure is None else str(failure)

    async def seal_anew(self, *, all_rows: bool = False) -> int:
        """Bring what is on disk into the form in which `Sealing` writes today; returns how many rows were not in it.

        Without all_rows only when the last start has met such rows; that is for after the keys have changed. In parts, between which
        writes go on; then the file is purged of what stood there, also when an earlier process did not come to it.
        Raises StorageFailed, SealError.
        """
        if all_rows:
            self._is_stale = self._is_unpurged = True
        rewritten = await self._rewrite() if self._is_stale else 0
        self._is_stale = False
        if self._is_unpurged:
            await self._chore(lambda database: database.purge())
            self._is_unpurged = False
        return rewritten

    async def _rewrite(self) -> int:
        rewritten = 0
        start: int | None = 0
        while start is not None:
            count, start = await self._chore(partial(_seal_some, self._sealing, start))
            rewritten += count
        return rewritten

    async def _chore(self, work: Callable[[Database], _Result]) -> _Result:
        """Work in the writer thread. Raises StoreClosed, StoreBroken, StorageFailed."""
        if self._broken.done():
            raise self._broken.result()
        if self._closed:
            raise StoreClosed(self._database.path)
        chore = Chore(work, asyncio.get_running_loop().create_future())
        self._writer.put(chore)
        await asyncio.wait((chore.done, self._broken), return_when=asyncio.FIRST_COMPLETED)
        if not chore.done.done():
            raise self._broken.result()
        result: _Result = chore.done.result()
        return result

    def get(self, key: str) -> Record | None:
        return self._shelves.get(key)

    def latest(self, key: str) -> Record | None:
        """Including writes still on their way to disk: what a new write is based on."""
        pending = self._pending.get(key)
        if pending is None:
            return self._shelves.get(key)
        return None if pending.type == "DELETED" else pending.record

    def pending(self, prefix: str) -> list[Change]:
        """The latest write of each object below a prefix that has writes on their way to disk; see `latest`."""
        return [change for key, change in self._pending.items() if covers(prefix, key)]

    async def durable(self, revision: int) -> None:
        """Returns once the revision and all before it are committed; raises StorageFailed as its write did.

        For answers that were judged on a record of `latest` without a write of their own: nobody may learn of a
        state that a power cut could take back. FutureRevision: no write has been given that revision.
        """
        if revision > self._assigned:
            raise FutureRevision(revision, self._assigned)
        await self._durability.reached(revision)

    async def settled(self) -> None:
        """Returns once every write that has been given a revision so far is committed; raises StorageFailed as one of them did."""
        await self._durability.reached(self._assigned)

    def scan(self, prefix: str) -> list[Record]:
        return self._shelves.scan(prefix)

    def count(self, prefix: str) -> int:
        return self._shelves.count(prefix)

    def snapshot(self, prefix: str, revision: int) -> Snapshot:
        """What is below a prefix as of a revision, to be gone through in this turn of the event loop. Raises Compacted, FutureRevision."""
        self._check_reachable(revision, revision >= self.compacted)
        undone = {change.key: change.previous for change in self._history.before(revision) if covers(prefix, change.key)}
        return Snapshot(self._shelves, prefix, undone)

    async def create(self, key: str, value: Object) -> Record:
        """Raises KeyExists, ObjectTooLarge, QuotaExceeded, and StorageFailed like every write."""
        current = self.latest(key)
        if current is not None:
            raise KeyExists(current)
        revision = self._next_revision()
        return await self._queue("ADDED", self._fitting(self._record(key, revision, revision, value), None), None)

    async def update(self, key: str, value: Object, *, expected: int) -> Record:
        """Raises Mismatch unless the latest revision of the object is the expected one; ObjectTooLarge, QuotaExceeded."""
        current = self._expect(key, expected)
        record = self._fitting(self._record(current.key, self._next_revision(), current.created, value), current)
        return await self._queue("MODIFIED", record, current)

    async def delete(self, key: str, *, expected: int, value: Object | None = None) -> Record:
        """Returns the tombstone: the last value, or the given one, with the deletion's revision. Raises Mismatch."""
        current = self._expect(key, expected)
        last = current.value if value is None else value
        return await self._queue("DELETED", self._record(current.key, self._next_revision(), current.created, last), current)

    def watch(self, prefix: str, since: int, sink: Sink, *, selection: Selection | None = None, internal: bool = False) -> Watch:
        """Replay what came after `since`, then follow. Raises Compacted, FutureRevision; a closed watch is never called again.

        selection: the sink wants to hear only of objects that have, or had, this value; it must bear to hear of others.
        internal: the sink keeps an index that decisions rest on (who may do what, which addresses are taken). When it raises, the
        store is broken: going on with an index that has missed a change would be worse than a new start.
        """
        self._check_reachable(since, self._history.reaches(prefix, since))
        for change in self._history.after(since):
            if covers(prefix, change.key):
                sink(change)
        return self._watches.add(prefix, sink, selection, internal)

    def changes(self, prefix: str, since: int, most_bytes: int) -> tuple[list[Change], int]:
        """What came after `since` below a prefix, oldest first, and up to which revision that is all.

        The first of it, of about so much JSON at most: whoever has missed much takes it in parts. Raises Compacted, FutureRevision.
        """
        self._check_reachable(since, self._history.reaches(prefix, since))
        found: list[Change] = []
        size_bytes = 0
        for change in self._history.after(since):
            if not covers(prefix, change.key):
                continue
            size_bytes += len(change.record.raw)
            if found and size_bytes > most_bytes:
                return found, found[-1].revision
            found.append(change)
        return found, self.revision

    def _check_reachable(self, revision: int, is_known: bool) -> None:
        if not is_known:
            raise Compacted(revision, self.compacted)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)

    def _expect(self, key: str, expected: int) -> Record:
        current = self.latest(key)
        if current is None or current.revision != expected:
            raise Mismatch(key, expected, current)
        return current

    def _fitting(self, record: Record, previous: Record | None) -> Record:
        self._room.check(record, previous)
        return record

    def _record(self, key: str, revision: int, created: int, value: Object) -> Record:
        stamped = value | {"metadata": value["metadata"] | {"resourceVersion": str(revision)}}
        return Record(key, revision, created, dumps_to_keep(stamped), stamped, decoded=self._decoded)

    def _next_revision(self) -> int:
        if self._broken.done():
            raise self._broken.result()
        if self._closed:
            raise StoreClosed(self._database.path)
        if self._waiting >= QUEUE_BOUND:
            raise StoreBusy(self._waiting)
        return self._assigned + 1

    def _queue(self, kind: ChangeType, record: Record, previous: Record | None) -> asyncio.Future[Record]:
        change = Change(kind, record, previous, int(self._clock()))
        key = record.key
        stored = self._sealing.seal(key, record.revision, record.raw)
        row = Row(record.revision, key, record.created, kind == "DELETED", change.at, checksum(record.revision, key, stored), stored)
        write = QueuedWrite(change, row, asyncio.get_running_loop().create_future())
        self._assigned = record.revision
        self._pending[key] = change
        self._room.take(None if kind == "DELETED" else record, previous)
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting += 1
        self._writer.put(write)
        return write.done

    def _commit(self, batch: list[QueuedWrite]) -> None:
        idle = not self._committed
        self._committed.extend(batch)
        self._waiting_since = time.monotonic()
        if idle:
            self._tell_some()

    def _tell_some(self) -> None:
        """Make committed writes visible, for a moment; the rest has its turn after whatever else is ready."""
        end = time.monotonic() + _TURN_S
        while self._committed and time.monotonic() < end:
            self._tell(self._committed.popleft())
        self._after_telling()
        if self._committed:
            asyncio.get_running_loop().call_soon(self._tell_some)

    def _tell_all(self) -> None:
        while self._committed:
            self._tell(self._committed.popleft())
        self._after_telling()

    def _tell(self, write: QueuedWrite) -> None:
        self._waiting -= 1
        self._apply(write.change)
        if not write.done.done():  # Its caller may have gone; the write stands.
            write.done.set_result(write.change.record)

    def _after_telling(self) -> None:
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

    def _fail(self, batch: list[QueuedWrite], error: StorageFailed) -> None:
        self._tell_all()
        lost = batch + self._writer.withdraw()
        self._pending.clear()
        self._waiting = 0
        self._room.used_bytes = self._shelves.size_bytes()
        self._durability.fail(self._assigned, error)
        for write in lost:
            if not write.done.done():
                write.done.set_exception(error)
        self._writer.resume()

    def _fail_for_good(self, batch: list[QueuedWrite], error: StoreBroken) -> None:
        self._fail(batch, error)
        if not self._broken.done():
            self._broken.set_result(error)

    def _break(self, why: str) -> None:
        if not self._broken.done():
            self._broken.set_result(StoreBroken(self._database.path, why))

    def _compact(self) -> None:
        self._garbage += self._history.trim(self._clock())
        if len(self._garbage) >= _GARBAGE_AT_ONCE:
            self._hand_over_garbage()

    def _hand_over_garbage(self) -> None:
        self._writer.put(Compaction(tuple(self._garbage), self.revision, self.compacted))
        self._garbage.clear()

    async def _close(self) -> None:
        self._closed = True
        # Also when there is no garbage: the marks keep a revision that a failed write was given from being given again.
        self._writer.put(Compaction(tuple(self._garbage), self._assigned, self.compacted))
        await self._writer.close()
        self._tell_all()


def _seal_some(sealing: Sealing, start: int, database: Database) -> tuple[int, int | None]:
    """(how many rows were rewritten, where to go on)."""
    count = 0

    def sealed(row: Row) -> Row | None:
        nonlocal count
        if sealing.is_current(row.key, row.value):
            return None
        count += 1
        value = sealing.seal(row.key, row.revision, sealing.open(row.key, row.revision, row.value))
        return row._replace(value=value, checksum=checksum(row.revision, row.key, value))

    following = database.rewrite(start, sealed)
    return count, following
