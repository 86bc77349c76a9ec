"""The SQLite file below the store: one append-only log of changes, one row of marks.

The current state is the newest row of each key, so a write is one row at the log's end: few pages for the write-ahead log, and one
fsync. A batch is a single multi-row INSERT, which is a transaction of its own: the writer thread gives up and regains the
interpreter once a batch, not once a row, and a busy event loop does not slow it down row by row.
Every row carries a checksum; a start checks the file's structure and every row, so damage is found before anything is served.
"""

import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pilothouse.engine.store.errors import StorageFailed, StorageFull, StoreBroken, StoreCorrupt, StoreTooNew, StoreUnusable

FORMAT = 2
"""2: values may be sealed, which a version that knows 1 alone would take for JSON."""
APPLICATION_ID = 0x50494C4F  # "PILO"
ROWS_AT_ONCE = 1_000
"""Most rows of one INSERT; seven parameters each, SQLite takes 32,766."""

_DELETED_AT_ONCE = 5_000
_REWRITTEN_AT_ONCE = 500
_CERTAIN = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR_WRITE})
"""Failures after which nothing of a transaction can come back. After a failed fsync the state of the page cache is unknown, and
frames of the write-ahead log may reach the disk although the write was refused."""

_CHECKPOINT_PAGES = 1_000
_WAL_LEFT_BYTES = 16 << 20
_FREE_PAGES_KEPT = 2_048
_PAGES_RELEASED_AT_ONCE = 1_024

_LOG = """CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    at INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    value BLOB NOT NULL
)"""
_MARKS = "CREATE TABLE marks (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL)"
_DEBTS = "CREATE TABLE IF NOT EXISTS debts (name TEXT PRIMARY KEY)"
"""What has to be done whatever happens meanwhile: a row each. Versions that know nothing of the table leave it alone."""

_PURGE = "purge"


class Row(NamedTuple):
    revision: int
    key: str
    created: int
    deleted: bool
    at: int
    checksum: int
    value: bytes


def checksum(revision: int, key: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key.encode(), revision & 0xFFFFFFFF))


class Database:
    """All calls block; after `open` they come from the writer thread only."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._leaves_traces = False

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Raises StoreCorrupt, StoreTooNew, StoreUnusable. The caller holds the lock on the path."""
        try:
            return cls(path, _connect(path))
        except sqlite3.DatabaseError as error:
            raise _unusable(path, error) from error
        except OSError as error:
            raise StoreUnusable(path, f"The store {path} cannot be opened: {error.strerror}.") from error

    def verify(self) -> None:
        """Raises StoreCorrupt unless the file's structure is sound; costs a millisecond a megabyte, half of what reading the rows does."""
        try:
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise _unusable(self.path, error) from error
        if found != "ok":
            raise StoreCorrupt(self.path, " ".join(found.split()))

    def marks(self) -> tuple[int, int]:
        """The highest revision and the compacted one, as of the last compaction."""
        try:
            row = self._connection.execute("SELECT revision, compacted FROM marks").fetchone()
        except sqlite3.DatabaseError as error:
            raise _unusable(self.path, error) from error
        if row is None:
            raise StoreCorrupt(self.path, "its marks are missing")
        return int(row[0]), int(row[1])

    def rows(self) -> Iterator[Row]:
        """Every row, oldest first, checked."""
        try:
            for values in self._connection.execute("SELECT * FROM log ORDER BY revision"):
                row = Row._make(values)
                if not _is_whole(row):
                    raise StoreCorrupt(self.path, f"the row of revision {row.revision} is not what was written")
                yield row
        except sqlite3.DatabaseError as error:
            raise _unusable(self.path, error) from error

    def append(self, rows: list[Row]) -> None:
        """Write rows durably, all or none. Raises StorageFull and StorageFailed; StoreBroken when neither is certain."""
        values = ",".join(["(?,?,?,?,?,?,?)"] * len(rows))
        # S608: the text is made of question marks only.
        self._run(f"INSERT INTO log VALUES {values}", [field for row in rows for field in row])  # noqa: S608

    def compact(self, garbage: Sequence[int], revision: int, compacted: int) -> None:
        """Delete rows that are neither current nor history, all or none, and remember how far history reaches."""
        self._run("BEGIN")
        if garbage and self._leaves_traces:
            self._owe_purge()
        for start in range(0, len(garbage), _DELETED_AT_ONCE):
            some = ",".join(map(str, garbage[start : start + _DELETED_AT_ONCE]))
            self._run(f"DELETE FROM log WHERE revision IN ({some})")  # noqa: S608
        self._run("UPDATE marks SET revision = max(revision, ?), compacted = max(compacted, ?)", (revision, compacted))
        self._run("COMMIT")
        self._release_pages()

    def rewrite(self, start: int, make: Callable[[Row], Row | None]) -> int | None:
        """Put other rows in the place of some, from the revision `start` on: where to go on, None at the end. All or none of them."""
        some = "SELECT * FROM log WHERE revision >= ? ORDER BY revision LIMIT ?"
        found = [Row._make(values) for values in self._run(some, (start, _REWRITTEN_AT_ONCE))]
        made = [row for each in found if (row := make(each)) is not None]
        if made:
            self._run("BEGIN")
            self._owe_purge()
            for row in made:
                self._run("UPDATE log SET value = ?, checksum = ? WHERE revision = ?", (row.value, row.checksum, row.revision))
            self._run("COMMIT")
        return found[-1].revision + 1 if len(found) == _REWRITTEN_AT_ONCE else None

    def leave_traces(self) -> None:
        """From the next deletion on a purge is owed: what the rows hold must not stay in free pages."""
        self._leaves_traces = True

    def owes_purge(self) -> bool:
        """Whether rows were rewritten, or deleted after `leave_traces`, and no purge has come to its end since."""
        return bool(self._run("SELECT 1 FROM debts WHERE name = ?", (_PURGE,)))

    def purge(self) -> None:
        """Leave nothing in the file and its write-ahead log but the rows: what was deleted or replaced is overwritten."""
        self._run("VACUUM")
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")
        self._run("DELETE FROM debts WHERE name = ?", (_PURGE,))
        self._leaves_traces = False

    def _owe_purge(self) -> None:
        """WHY in the transaction of the rows: a crash after it must not leave the old values in the file for good."""
        self._run("INSERT OR IGNORE INTO debts VALUES (?)", (_PURGE,))

    def close(self) -> None:
        self._connection.close()

    def _release_pages(self) -> None:
        free = self._run("PRAGMA freelist_count")[0][0]
        if free > _FREE_PAGES_KEPT:
            self._run(f"PRAGMA incremental_vacuum({_PAGES_RELEASED_AT_ONCE})")

    def _run(self, statement: str, parameters: Any = ()) -> list[Any]:
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise _failure(self.path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    fresh = not path.exists()
    # Secrets lie in it, and SQLite gives its side files the mode of the main one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        _configure(connection, path)
        if fresh:
            _sync_directory(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    # EXCLUSIVE before the first access: no shared-memory file, no lock calls; nobody else may open the file anyway.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA cell_size_check = ON")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchall():
        _create(connection)
        found = FORMAT
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreCorrupt(path, "it is the database of another program")
    if found > FORMAT:
        raise StoreTooNew(path, found, FORMAT)
    if found < FORMAT:
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_DEBTS)
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LEFT_BYTES}")


def _create(connection: sqlite3.Connection) -> None:
    # Both come before the first table; a creation cut short here leaves an empty file, which is created anew.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("BEGIN")
    connection.execute(_LOG)
    connection.execute(_MARKS)
    connection.execute("INSERT INTO marks VALUES (1, 0, 0)")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_whole(row: Row) -> bool:
    return isinstance(row.key, str) and isinstance(row.value, bytes) and row.checksum == checksum(row.revision, row.key, row.value)


def _failure(path: Path, error: sqlite3.Error) -> StorageFailed:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(path)
    if code not in _CERTAIN:
        return StoreBroken(path, f"a write failed in a way that leaves its outcome open ({error})")
    return StorageFailed(path, str(error))


def _unusable(path: Path, error: sqlite3.DatabaseError) -> StoreUnusable:
    """Damage is told from a file that the system does not let us read or write."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
        return StoreCorrupt(path, str(error))
    return StoreUnusable(path, f"The store {path} cannot be opened: {error}.")
