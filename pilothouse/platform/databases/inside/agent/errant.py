"""What only this member has is kept readable before its data go: the end of its log of changes, as text. As well as it can be done."""

import subprocess
from contextlib import suppress
from pathlib import Path

from pilothouse.platform.databases.inside.agent.settings import Settings

MOST_BYTES = 64 << 20
MOST_FILES = 5
_WITHIN_S = 60


def keep(settings: Settings, name: str) -> None:
    """Writes the last log as SQL with comments to agent/errant/NAME.sql. Of several kept the newest stay."""
    with suppress(OSError, subprocess.SubprocessError):
        logs = sorted(settings.mysql.glob("binlog.[0-9]*"))
        folder = settings.memory / "errant"
        folder.mkdir(exist_ok=True, mode=0o750)
        if logs:
            _write(logs[-1], folder / f"{name}.sql")
        for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-MOST_FILES]:
            old.unlink()


def _write(log: Path, target: Path) -> None:
    command = ["mariadb-binlog", "--no-defaults", "--base64-output=decode-rows", "--verbose", str(log)]
    with target.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        file.write(process.stdout.read(MOST_BYTES))
        process.kill()
