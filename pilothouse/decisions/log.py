"""Why things are as they are: one structured record for each time that a part refuses, delays, picks or kills something.

Parts record without waiting; a thread of the log's own writes to SQLite in batches. The log is bounded in rows and bytes and
may lose its newest records in a crash: it explains, nothing depends on it. Equal decisions of a part about an object in a row
are one record with a count. `ph why` reads the file from its own process, and several processes may write to it: a part belongs to one
of them, and SQLite's lock lets one batch in at a time.
"""

import asyncio
import json
import sqlite3
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import structlog

from pilothouse.decisions import table
from pilothouse.decisions.table import Decision, Record, Ref
from pilothouse.model.json import dumps

__all__ = ["Decision", "DecisionLog", "Ref", "read_decisions"]

log = structlog.get_logger("client.decisions")

BATCH_S = 0.1
PENDING_LIMIT = 10_000
REMEMBERED = 10_000
CLOSE_S = 10.0
TRIM_EVERY = 500

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], None]


class DecisionLog:
    """path: a file, or ":memory:". Used from one event loop, as a context manager; leaving it writes what is pending.

    `dropped` counts records lost because they came faster than the disk took them or because it took none.
    """

    def __init__(self, path: Path | str, *, max_rows: int = 50_000, max_bytes: int = 32 << 20) -> None:
        self.path = path
        self.dropped = 0
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._pending: deque[Record] = deque()
        self._jobs: deque[Job] = deque()
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._closing = False
        self._latest: OrderedDict[tuple[Ref, str], tuple[int, str, str]] = OrderedDict()
        self._since_trim = 0
        self._failing = False
        self._connection = table.open_table(path)
        self._thread = threading.Thread(target=self._write_on, name="decisions", daemon=True)
        self._thread.start()

    def __enter__(self) -> "DecisionLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def record(self, about: Ref, part: str, reason: str, message: str, facts: Mapping[str, Any] | None = None) -> None:
        """Takes a few microseconds, never blocks. facts: JSON values, TypeError otherwise. What UTF-8 cannot hold becomes "?"."""
        if len(self._pending) >= PENDING_LIMIT:
            self._pending.popleft()
            self.dropped += 1
        now = time.time()
        about = Ref(*map(_writable, about))
        self._pending.append(Record(about, part, _writable(reason), _writable(message), _encoded(facts or {}), 1, now, now))
        self._work.set()

    async def query(
        self, kind: str | None = None, namespace: str | None = None, name: str | None = None, *, since: float = 0.0, limit: int = 1000
    ) -> list[Decision]:
        """As `read_decisions`, what was recorded just now included."""
        select = partial(table.select, kind=kind, namespace=namespace, name=name, since=since, limit=limit)
        return await asyncio.wrap_future(self._submit(select))

    async def flush(self) -> None:
        """Until all that was recorded is in the file."""
        await asyncio.wrap_future(self._submit(lambda _: None))

    def close(self) -> None:
        """Write what is pending and end the thread; waits at most `CLOSE_S`."""
        if self._closing:
            return
        self._closing = True
        self._urgent.set()
        self._work.set()
        self._thread.join(CLOSE_S)

    def _submit(self, read: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        answer: Future[T] = Future()

        def job(connection: sqlite3.Connection) -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(read(connection))
                except Exception as error:  # Whatever it is, who asked waits for it, and the thread has others to serve.
                    answer.set_exception(error)

        if self._closing:
            raise ValueError("the decision log is closed")
        self._jobs.append(job)
        self._urgent.set()
        self._work.set()
        return answer

    def _write_on(self) -> None:
        """The thread: sleep until there is work, let a batch gather unless somebody waits, write it."""
        with closing(self._connection) as connection:
            while not self._closing:
                self._work.wait()
                self._urgent.wait(BATCH_S)
                self._work.clear()
                self._urgent.clear()
                self._drain(connection)
            self._drain(connection)

    def _drain(self, connection: sqlite3.Connection) -> None:
        """Write what is pending, then answer those who asked before: they find it written."""
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        self._write_batch(connection)
        for job in jobs:
            job(connection)

    def _write_batch(self, connection: sqlite3.Connection) -> None:
        batch = [self._pending.popleft() for _ in range(len(self._pending))]
        if not batch:
            return
        try:
            self._store(connection, _merged(batch))
            self._failing = False
        except Exception as error:  # WHY every one: a thread that ends unseen loses all that comes, and leaves readers waiting for ever.
            self._lost(connection, len(batch), error)

    def _store(self, connection: sqlite3.Connection, batch: list[Record]) -> None:
        # The lock is taken before anything is read: a reader that turns writer while another process writes is refused at once.
        connection.execute("BEGIN IMMEDIATE")
        for record in batch:
            self._store_one(connection, record)
        connection.execute("COMMIT")
        self._since_trim += len(batch)
        if self._since_trim >= min(TRIM_EVERY, self._max_rows // 10 + 1):
            self._since_trim = 0
            if table.trim(connection, self._max_rows, self._max_bytes):
                self._latest.clear()

    def _store_one(self, connection: sqlite3.Connection, record: Record) -> None:
        key = (record.about, record.part)
        last = self._latest.get(key) or table.latest(connection, *key)
        is_same = last is not None and last[1:] == (record.reason, record.message)
        if last is None or not is_same or not table.repeat(connection, last[0], record):
            last = (table.insert(connection, record), record.reason, record.message)
        self._latest[key] = last
        self._latest.move_to_end(key)
        if len(self._latest) > REMEMBERED:
            self._latest.popitem(last=False)

    def _lost(self, connection: sqlite3.Connection, count: int, error: Exception) -> None:
        """A full disk must not stop the parts that only wanted to explain themselves."""
        self.dropped += count
        self._latest.clear()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not self._failing:
            self._failing = True
            log.warning("decisions not recorded", path=str(self.path), error=str(error))


def _writable(text: str) -> str:
    """File names that are no UTF-8 come as lone surrogates, which no database takes."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _encoded(facts: Mapping[str, Any]) -> bytes:
    try:
        return dumps(facts)
    except TypeError:
        return json.dumps(facts, ensure_ascii=False).encode(errors="replace")


def _merged(batch: list[Record]) -> list[Record]:
    """Equal decisions in a row as one."""
    positions: dict[tuple[Ref, str], int] = {}
    result: list[Record] = []
    for new in batch:
        position = positions.get((new.about, new.part))
        old = None if position is None else result[position]
        if position is not None and old is not None and (old.reason, old.message) == (new.reason, new.message):
            result[position] = old._replace(times=old.times + 1, last=new.last, facts=new.facts)
        else:
            positions[new.about, new.part] = len(result)
            result.append(new)
    return result


def read_decisions(
    path: Path,
    kind: str | None = None,
    namespace: str | None = None,
    name: str | None = None,
    *,
    since: float = 0.0,
    limit: int = 1000,
) -> list[Decision]:
    """The newest `limit` decisions last made at `since` or later, oldest first, from another process's log. Blocks.

    None matches everything. Raises FileNotFoundError, sqlite3.Error.
    """
    with closing(table.open_readonly(path)) as connection:
        return table.select(connection, kind, namespace, name, since=since, limit=limit)
