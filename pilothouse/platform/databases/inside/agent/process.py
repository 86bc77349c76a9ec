"""The server as a process: started by the supervisor of the other container, seen and signalled by its pid."""

import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pilothouse.platform.databases.inside.agent import files

_NAMES = ("mariadbd", "mysqld")


@dataclass(frozen=True, slots=True)
class Ended:
    """code: as a shell says it, 128 and the number for a signal. at: Unix time."""

    code: int
    at: float


class Process:
    """changed: called from another thread when a server that was seen has ended."""

    def __init__(self, run: Path, changed: Callable[[], None]) -> None:
        self._run = run
        self._changed = changed
        self._watched = 0

    def pid(self) -> int:
        """0 when none runs."""
        pid = self._named("server.pid", _NAMES)
        if pid and pid != self._watched:
            self._watch(pid)
        return pid if pid == self._watched else 0

    def has_supervisor(self) -> bool:
        return bool(self._supervisor())

    def can_start(self) -> bool:
        """The supervisor is there and has done with the server before."""
        return not (self._run / "server.pid").exists() and self.has_supervisor()

    def is_stopping(self) -> bool:
        """The supervisor was told to end, and with it the server."""
        return (self._run / "stopping").exists()

    def ended(self) -> Ended | None:
        """How the last server of this supervisor ended; None while one runs, and before the first."""
        text = files.read(self._run / "ended").strip()
        if not text.isdigit():
            return None
        try:
            return Ended(int(text), (self._run / "ended").stat().st_mtime)
        except FileNotFoundError:
            return None

    def start(self, program: str) -> None:
        """Asks for a server; `pid` tells when it is there. Raises OSError when its folder cannot be written."""
        files.write(self._run / "program", program)
        _signal(self._supervisor(), signal.SIGUSR1)

    def stop_by(self, name: str) -> None:
        """name: TERM or KILL, which the supervisor sends when the agent has not stopped the server in time."""
        files.write(self._run / "last-signal", name)

    def is_stopped_by(self, name: str) -> bool:
        """Whether that is what the supervisor would send."""
        return files.read(self._run / "last-signal").strip() == name

    def signal(self, number: signal.Signals) -> None:
        _signal(self.pid(), number)

    def _supervisor(self) -> int:
        return self._named("supervisor.pid", ("sh", "dash", "bash"))

    def _named(self, file: str, names: tuple[str, ...]) -> int:
        text = files.read(self._run / file).strip()
        return int(text) if text.isdigit() and _runs(text, names) else 0

    def _watch(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            self._watched = pid
            threading.Thread(target=self._wait, args=(descriptor,), daemon=True).start()

    def _wait(self, descriptor: int) -> None:
        try:
            ending = select.poll()
            ending.register(descriptor, select.POLLIN)
            ending.poll()
        finally:
            os.close(descriptor)
        self._changed()


def _runs(pid: str, names: tuple[str, ...]) -> bool:
    """Whether there is such a process and it has not ended. Source: proc(5), /proc/pid/stat: the name in parentheses, then the state."""
    start, _, rest = files.read(Path(f"/proc/{pid}/stat")).rpartition(")")
    return start.partition("(")[2] in names and rest.split()[:1] != ["Z"]


def _signal(pid: int, number: signal.Signals) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
