"""One program with a time limit, its output line by line."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

MOST_BYTES = 1 << 16
"""Of one line: a longer one comes in pieces, so that a program that ends no line fills no memory."""


class Run:
    """The program and all that it starts are killed after `timeout_s`; `returncode` is known once `each_line` has returned."""

    def __init__(self, argv: list[str], *, cwd: Path, timeout_s: float, environ: Mapping[str, str]) -> None:
        self.timed_out = False
        self.returncode = -1
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._timer = threading.Timer(timeout_s, self._expire)

    def each_line(self, take: Callable[[str], None]) -> None:
        """A step that leaves a process behind does not keep the build open: its group goes when the program has ended."""
        self._timer.start()
        assert self._process.stdout is not None
        threading.Thread(target=self._reap, daemon=True).start()
        with self._process.stdout as output:
            while raw := output.readline(MOST_BYTES):
                take(raw.decode(errors="replace").rstrip("\r\n"))
        self.returncode = self._process.wait()
        self._timer.cancel()

    def _reap(self) -> None:
        self._process.wait()
        self._kill()

    def _expire(self) -> None:
        self.timed_out = True
        self._kill()

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
