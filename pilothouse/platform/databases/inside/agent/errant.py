"""What only this member has is kept readable before its data go: the end of its log of changes, as text. As well as it can be done."""

import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from pilothouse.platform.databases.inside.agent import dialects, disk
from pilothouse.platform.databases.inside.agent.settings import Settings

ENOUGH_BYTES = 8 << 20
"""Of logs, from the newest back; each start of the server begins a new one."""
MOST_BYTES = 64 << 20
"""Of text. On a small volume a quarter of the room that is left."""
MOST_KEPT = 5
WITHIN_S = 300.0
"""What was read by then is the beginning: a bound for programs that hang, not one that counts."""
EARLIER = ".earlier"
_PIECE = 1 << 20


def keep(settings: Settings, name: str) -> None:
    """Writes the last logs as SQL with comments to agent/errant/NAME.sql, and what came before that to NAME.earlier.sql.

    Where there is too much the end stays: what only this member has is there. Of several kept the newest stay.
    """
    with suppress(OSError, subprocess.SubprocessError):
        logs = sorted(settings.mysql.glob("binlog.[0-9]*"))
        folder = settings.memory / "errant"
        folder.mkdir(exist_ok=True, mode=0o750)
        if logs:
            command = dialects.of(settings.flavour).copies.log_as_text(newest(logs))
            _write(command, folder / f"{name}.sql", min(MOST_BYTES, disk.measure(folder).free // 4))
        kept = sorted((path for path in folder.iterdir() if EARLIER not in path.suffixes), key=lambda path: path.stat().st_mtime)
        for old in kept[:-MOST_KEPT]:
            old.unlink()
            _earlier(old).unlink(missing_ok=True)


def newest(logs: list[Path]) -> list[Path]:
    """The last ones that are enough, the oldest of them first."""
    taken: list[Path] = []
    for log in reversed(logs):
        taken.insert(0, log)
        if sum(each.stat().st_size for each in taken) >= ENOUGH_BYTES:
            break
    return taken


def _write(command: Sequence[str], target: Path, most_bytes: int) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        end = threading.Timer(WITHIN_S, process.kill)
        end.start()
        try:
            _write_end(process.stdout, target, most_bytes // 2)
        finally:
            end.cancel()
            process.kill()


def _write_end(text: IO[bytes], target: Path, half: int) -> None:
    """The last bytes of it: one half at least, and two at most."""
    while _write_half(text, target, half):
        target.rename(_earlier(target))


def _write_half(text: IO[bytes], target: Path, half: int) -> bool:
    """Whether there may be more."""
    left = half
    with target.open("wb") as file:
        while left > 0 and (piece := text.read(min(left, _PIECE))):
            file.write(piece)
            left -= len(piece)
    return left <= 0 < half


def _earlier(target: Path) -> Path:
    return target.with_name(f"{target.stem}{EARLIER}{target.suffix}")
