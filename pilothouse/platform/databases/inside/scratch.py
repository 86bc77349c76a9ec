"""A server of a Job's own, on a copy of the data: its socket only, without accounts, replication or events."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.outcome import Failure

if TYPE_CHECKING:
    from pymysql.connections import Connection

START_S = 600.0
"""InnoDB may have much to recover."""
STOP_S = 120.0
_MEMORY = 128 << 20
_LINES = 3


class Scratch:
    """socket: of the server that runs. log: what it says."""

    def __init__(self, data: Path, options: tuple[str, ...] = ()) -> None:
        self._own = Path(tempfile.mkdtemp(prefix="scratch-"))
        self.socket = self._own / "socket"
        self.log = self._own / "log"
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(self._argv(data, options), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _argv(self, data: Path, options: tuple[str, ...]) -> list[str]:
        return [
            *tools.of_image().server,
            f"--datadir={data}",
            f"--socket={self.socket}",
            f"--pid-file={self._own / 'pid'}",
            f"--tmpdir={self._own}",
            "--skip-networking",
            "--skip-grant-tables",
            "--skip-log-bin",
            f"--innodb-buffer-pool-size={_MEMORY}",
            "--max-allowed-packet=1G",
            *options,
        ]

    def wait(self) -> None:
        """Until it answers. Raises Failure with its last words."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
                return
            time.sleep(0.05)
        raise Failure("BrokenCopy", f"a server does not start on the restored data: {self.last_words()}")

    def connect(self) -> "Connection":
        return pymysql.connect(unix_socket=str(self.socket), user="root", charset="utf8mb4", autocommit=True, ssl_disabled=True)

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        wrong = [line for line in lines if "[ERROR]" in line] or lines
        return " / ".join(wrong[-_LINES:]) or "it said nothing"

    def stop(self) -> None:
        """Cleanly, so that the data can be copied as it lies."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        finally:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._own, ignore_errors=True)


@contextlib.contextmanager
def scratch(data: Path, options: tuple[str, ...] = ()) -> Iterator[Scratch]:
    """A server that answers, stopped at the end."""
    server = Scratch(data, options)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
