"""What only this member has is kept readable before its data go: the end of its log of changes, as text. As well as it can be done."""

import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.settings import Settings

ENOUGH_BYTES = 8 << 20
"""Of logs, from the newest back; each start of the server begins a new one."""
MOST_BYTES = 64 << 20
"""Of text."""
MOST_FILES = 5
WITHIN_S = 60.0


def keep(settings: Settings, name: str) -> None:
    """Writes the last logs as SQL with comments to agent/errant/NAME.sql. Of several kept the newest stay."""
    with suppress(OSError, subprocess.SubprocessError):
        logs = sorted(settings.mysql.glob("binlog.[0-9]*"))
        folder = settings.memory / "errant"
        folder.mkdir(exist_ok=True, mode=0o750)
        if logs:
            _write(dialects.of(settings.flavour).copies.log_as_text(newest(logs)), folder / f"{name}.sql")
        for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-MOST_FILES]:
            old.unlink()


def newest(logs: list[Path]) -> list[Path]:
    """The last ones that are enough, the oldest of them first."""
    taken: list[Path] = []
    for log in reversed(logs):
        taken.insert(0, log)
        if sum(each.stat().st_size for each in taken) >= ENOUGH_BYTES:
            break
    return taken


def _write(command: Sequence[str], target: Path) -> None:
    with target.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        end = threading.Timer(WITHIN_S, process.kill)
        end.start()
        try:
            file.write(process.stdout.read(MOST_BYTES))
        finally:
            end.cancel()
            process.kill()
