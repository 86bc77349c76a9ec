"""Data folders, live copies and texts, by MySQL's own programs and its clone plugin."""

import shutil
import tempfile
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import IO

from pilothouse.platform.databases.inside.agent import disk
from pilothouse.platform.databases.inside.agent.dialects.mysql.empty import make_empty
from pilothouse.platform.databases.inside.agent.dialects.mysql.offline import run_statements
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.seed.compressed import compressed
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable

__all__ = ["dump", "give", "log_as_text", "make_empty", "position", "prepare", "unpack"]
_LOGS = ("binlog.", "relay.", "#innodb_temp")
"""Names that are not copied begin so."""
_WHAT = ("--all-databases", "--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--source-data=2")
_WITHIN_S = 6 * 3600.0
_TOLD_EACH_S = 5.0
NOTHING = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"
"""An empty frame that decompressors skip: while the copy is being made there is nothing else to send, and silence counts as its end."""


def give(settings: Settings) -> Generator[bytes]:
    """A tar archive of a folder that the server has cloned its data into, beside them."""
    for left in (settings.data / "tmp").glob("copy-*"):
        shutil.rmtree(left, ignore_errors=True)
    _check_room(settings)
    with tempfile.TemporaryDirectory(dir=settings.data / "tmp", prefix="copy-") as place:
        job = Job("clone", lambda job: _clone(settings, Path(place) / "data"), lambda: None)
        while not job.wait(_TOLD_EACH_S):
            yield NOTHING
        if job.error:
            raise Failed(job.error)
        yield from compressed(["tar", "-c", "-C", f"{place}/data", "."])


def unpack(place: Path) -> Sequence[str]:
    return ["tar", "-x", "-C", str(place)]


def prepare(place: Path, log: IO[bytes]) -> None:
    """Applies the redo log that came with the copy, and forgets whom the copied server followed."""
    run_statements(place, ["RESET REPLICA ALL"], log)


def position(place: Path) -> str:
    """The data have it themselves."""
    return ""


def dump(settings: Settings) -> Sequence[str]:
    return ["mysqldump", "--no-defaults", f"--user={settings.user}", f"--socket={settings.socket}", "--set-gtid-purged=COMMENTED", *_WHAT]


def log_as_text(logs: Iterable[Path]) -> Sequence[str]:
    return ["mysqlbinlog", "--no-defaults", "--base64-output=decode-rows", "--verbose", *map(str, logs)]


def _clone(settings: Settings, target: Path) -> None:
    """Raises Failed."""
    sql = Sql(settings.socket, settings.user, _WITHIN_S)
    try:
        sql.rows("CLONE LOCAL DATA DIRECTORY = %s", (str(target),))
    except (Unreachable, Refused) as error:
        raise Failed(f"the server could not copy its data: {error}") from error
    finally:
        sql.close()


def _check_room(settings: Settings) -> None:
    """Raises Failed: writes come first."""
    needed, room = _size(settings.mysql), disk.measure(settings.data)
    if room.free - needed < room.least_free:
        text = f"a copy of the data takes {needed >> 20} MiB beside them for as long as it is sent, and {room.free >> 20} MiB are free"
        raise Failed(f"{text}: ph mysql resize {settings.instance} --size SIZE")


def _size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file() and not path.name.startswith(_LOGS))
