"""`ph` at a terminal of its own: what it shows there, and how it ends."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType

PH = (sys.executable, "-m", "pilothouse.cli")
DEADLINE_S = 60


class PseudoTerminal:
    """Runs a program at a terminal that is `columns` wide. environ is added to the test's own."""

    def __init__(self, *argv: str, columns: int = 80, environ: Mapping[str, str] | None = None) -> None:
        self._own, other = pty.openpty()
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        given = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM", "CLICOLOR_FORCE")}
        self.process = subprocess.Popen(
            argv,
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            env=given | {"TERM": "xterm", **(environ or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(other)
        self.shown = ""

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._own)

    def until(self, text: str) -> None:
        """Read on until it is shown."""
        while text not in self.shown:
            assert self._read(), f"ended without {text!r}: {self.shown!r}"

    def type(self, keys: str) -> None:
        os.write(self._own, keys.encode())

    def end(self) -> int:
        """Read everything to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(DEADLINE_S)

    def _read(self) -> bool:
        begun = time.monotonic()
        ready, _, _ = select.select([self._own], [], [], DEADLINE_S)
        assert ready, f"nothing more in {time.monotonic() - begun:.0f} s: {self.shown!r}"
        try:
            data = os.read(self._own, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            return False
        self.shown += data.decode()
        return bool(data)
