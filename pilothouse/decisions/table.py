"""The SQLite table behind the decision log: what a decision looks like on disk, and the few statements over it.

Everything here blocks. A connection is used by one thread (a writer) or one process (a reader) at a time.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pilothouse.model import meta
from pilothouse.model.json import Object, loads

SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,
  part TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, facts BLOB NOT NULL,
  count INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_object ON decisions (namespace, name, kind);
"""
INSERT = """
INSERT INTO decisions (kind, namespace, name, uid, part, reason, message, facts, count, first, last)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REPEAT = "UPDATE decisions SET count = count + ?, last = ?, facts = ? WHERE id = ?"
LATEST = """
SELECT id, reason, message FROM decisions
WHERE namespace = ? AND name = ? AND kind = ? AND uid = ? AND part = ? ORDER BY id DESC LIMIT 1
"""
SELECT = """
SELECT kind, namespace, name, uid, part, reason, message, facts, count, first, last FROM decisions
WHERE last >= :since AND (:kind IS NULL OR kind = :kind) AND (:namespace IS NULL OR namespace = :namespace)
AND (:name IS NULL OR name = :name) ORDER BY last DESC, id DESC LIMIT :limit
"""
TRIM = "DELETE FROM decisions WHERE id <= (SELECT id FROM decisions ORDER BY id LIMIT 1 OFFSET ?)"
WAL_BYTES = 4 << 20


class Ref(NamedTuple):
    """The object that a decision is about; kind as in the API ("Pod")."""

    kind: str
    namespace: str
    name: str
    uid: str = ""

    @classmethod
    def of(cls, obj: Object) -> "Ref":
        return cls(obj.get("kind", ""), meta.namespace(obj), meta.name(obj), meta.uid(obj))


class Record(NamedTuple):
    """A decision on its way to the table; facts are encoded."""

    about: Ref
    part: str
    reason: str
    message: str
    facts: bytes
    times: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Decision:
    """part: who decided. facts: what it knew. first, last: seconds since the epoch; count: how often in a row."""

    about: Ref
    part: str
    reason: str
    message: str
    facts: Mapping[str, Any]
    count: int
    first: float
    last: float


def open_table(path: Path | str) -> sqlite3.Connection:
    """A connection to write with. A file that is no database is put aside as `<name>.corrupt`: the log starts anew."""
    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) or path == ":memory:":
            raise
        _put_aside(Path(path))
        return _opened(path)


def _opened(path: Path | str) -> sqlite3.Connection:
    if path != ":memory:":
        _keep_private(Path(path))
    # Opened here, used by the writer's thread alone.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL", f"journal_size_limit = {WAL_BYTES}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _keep_private(path: Path) -> None:
    """It quotes what every namespace's events and containers say. SQLite gives new side files the mode of the main one."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            each.chmod(0o600)


def _put_aside(path: Path) -> None:
    path.replace(path.with_name(f"{path.name}.corrupt"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection for another process to read with; raises FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(path)
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)


def insert(connection: sqlite3.Connection, record: Record) -> int:
    """Returns the row's id."""
    return connection.execute(INSERT, (*record.about, *record[1:])).lastrowid or 0


def repeat(connection: sqlite3.Connection, row: int, record: Record) -> bool:
    """Count the record on the row of an equal one. False: the row is not there any more, another process may have trimmed the table."""
    return connection.execute(REPEAT, (record.times, record.last, record.facts, row)).rowcount > 0


def latest(connection: sqlite3.Connection, about: Ref, part: str) -> tuple[int, str, str] | None:
    """(row, reason, message) of what the part has last decided about the object."""
    found: tuple[int, str, str] | None = connection.execute(LATEST, (about.namespace, about.name, about.kind, about.uid, part)).fetchone()
    return found


def trim(connection: sqlite3.Connection, max_rows: int, max_bytes: int) -> bool:
    """When the table is over one of its bounds, drop the oldest until nine tenths of it are left. Returns whether it was."""
    rows = connection.execute("SELECT count(*) FROM decisions").fetchone()[0]
    used_bytes = _used_bytes(connection)
    if rows <= max_rows and used_bytes <= max_bytes:
        return False
    kept = int(rows * 0.9 * min(max_rows / rows, max_bytes / used_bytes))
    connection.execute(TRIM, (rows - kept - 1,))
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    return True


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


def select(
    connection: sqlite3.Connection,
    kind: str | None = None,
    namespace: str | None = None,
    name: str | None = None,
    *,
    since: float = 0.0,
    limit: int = 1000,
) -> list[Decision]:
    """The newest `limit` decisions that were last made at `since` or later, oldest first. None matches everything."""
    wanted = {"kind": kind, "namespace": namespace, "name": name, "since": since, "limit": limit}
    rows = connection.execute(SELECT, wanted).fetchall()
    return [_decision(row) for row in reversed(rows)]


def _decision(row: tuple[Any, ...]) -> Decision:
    part, reason, message, facts, count, first, last = row[4:]
    return Decision(Ref(*row[:4]), part, reason, message, loads(facts), count, first, last)
