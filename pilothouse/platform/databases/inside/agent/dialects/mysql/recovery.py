"""What an old primary has written and nobody has acknowledged is cut off its log before its server starts.

At its recovery the server commits what is prepared and in its last log, and takes back what is prepared and not there. A commit that waits
for its acknowledgement is in the log, and prepared in the engine (AFTER_SYNC); a new log begins only when none waits. So the log is cut
before the first transaction that the new primary has not: it has everything that was acknowledged. What should be committed in the engine
nevertheless is still in the server's own set afterwards, and shows as a transaction that the others have not. All measured, decision 111.

The server gets a new UUID then: under the old one it would give the names of what it took back to other transactions, and a replica that
had received the former would skip the latter.
"""

import os
from pathlib import Path

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.dialects.mysql.events import second_event, transactions
from pilothouse.platform.databases.inside.agent.gtid import has, sets
from pilothouse.platform.databases.inside.agent.settings import Settings

MOST_KEPT = 64 << 20
"""Bytes of what is cut off."""


def take_back(settings: Settings, term: int, position: str) -> None:
    """position: of the new primary. What is cut off stays as a log of its own in agent/errant. It takes seconds where the log is large.

    Raises OSError, ValueError.
    """
    log = _last_log(settings.mysql)
    at = None if log is None else first_missing(log, position)
    if log is None or at is None:
        return
    (settings.mysql / "auto.cnf").unlink(missing_ok=True)
    files.sync_folder(settings.mysql)
    _keep(settings, log, at, f"taken-back-{term}")
    with log.open("r+b") as file:
        file.truncate(at)
        os.fsync(file.fileno())


def first_missing(log: Path, position: str) -> int | None:
    """Where the first transaction begins that the position has not; None when it has all."""
    known = sets(position)
    return next((each.at for each in transactions(log) if not has(known, each.server, each.number)), None)


def _last_log(folder: Path) -> Path | None:
    names = files.read(folder / "binlog.index").split()
    return folder / Path(names[-1]).name if names else None


def _keep(settings: Settings, log: Path, at: int, name: str) -> None:
    """As a log that programs can read: with the head of the one that it was a part of."""
    folder = settings.memory / "errant"
    folder.mkdir(exist_ok=True, mode=0o750)
    with log.open("rb") as file, (folder / f"{name}.binlog").open("wb") as kept:
        kept.write(file.read(second_event(log)))
        file.seek(at)
        kept.write(file.read(MOST_KEPT))
