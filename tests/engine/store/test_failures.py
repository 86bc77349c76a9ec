"""Which failures of the disk leave the outcome of a write open."""

import sqlite3
from pathlib import Path

import pytest

from pilothouse.engine.store import StorageFailed, StorageFull, StoreBroken
from pilothouse.engine.store.database import _failure


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_READONLY, StorageFailed),
        (sqlite3.SQLITE_IOERR_WRITE, StorageFailed),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreBroken),
        (sqlite3.SQLITE_IOERR_DIR_FSYNC, StoreBroken),
        (sqlite3.SQLITE_CORRUPT, StoreBroken),
    ],
)
def test_only_a_failure_that_surely_kept_nothing_lets_the_store_go_on(code: int, expected: type[StorageFailed]) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    assert type(_failure(Path("state.db"), error)) is expected
