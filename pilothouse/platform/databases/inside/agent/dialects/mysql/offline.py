"""A server that runs a few statements on a data folder and ends, with no port, no log of changes and nobody let in."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pilothouse.platform.databases.inside.agent.job import Failed

_WITHIN_S = 3600.0
"""A copy may come with much of a redo log."""
_OPTIONS = (
    "--no-defaults",
    "--skip-log-bin",
    "--skip-networking",
    "--mysqlx=OFF",
    "--secure-file-priv=NULL",
    "--auto-generate-certs=OFF",
    "--caching-sha2-password-auto-generate-rsa-keys=OFF",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=48M",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
)


def run_statements(folder: Path, statements: Sequence[str], log: IO[bytes]) -> None:
    """Each in one line. Raises Failed."""
    options = ("--skip-replica-start", "--relay-log-recovery=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
    serve(folder, [*statements, "SHUTDOWN"], options, log)


def serve(folder: Path, statements: Sequence[str], options: Sequence[str], log: IO[bytes]) -> None:
    """Until the server has ended by itself. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="offline-") as own:
        script = Path(own) / "init.sql"
        script.write_text("".join(f"{each};\n" for each in statements))
        places = (f"--datadir={folder}", f"--init-file={script}", f"--socket={own}/socket", f"--pid-file={own}/pid", f"--tmpdir={own}")
        try:
            command = ["mysqld", *_OPTIONS, *places, *options]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=_WITHIN_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"mysqld did not end within {_WITHIN_S:g} s") from error
    if done.returncode:
        log.seek(0)
        raise Failed(f"mysqld could not be run on the data: {_reason(log.read().decode(errors='replace'))}")


def _reason(output: str) -> str:
    lines = output.splitlines()
    errors = [line for line in lines if "[ERROR]" in line and "Aborting" not in line]
    return (errors or lines or ["it said nothing"])[0].strip()
