"""What the agent remembers of the running server, in memory beside its socket, so that an agent that starts again reads it."""

from pathlib import Path

from pilothouse.platform.databases.inside.agent import files

_NEXT = "next"


class Marks:
    """Each mark is a text that is only true of one process: of another server's pid it is not there."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def get(self, name: str, pid: int) -> str:
        """ "" when nothing is known of that process."""
        of, _, value = files.read(self._path(name)).partition(" ")
        if not pid or of == str(pid):
            return value if pid else ""
        return value if of == _NEXT and self._take(name, pid, value) else ""

    def prepare(self, name: str, value: str) -> None:
        """For the next server: the first process that is asked for gets it. Raises OSError."""
        files.write(self._path(name), f"{_NEXT} {value}")

    def set(self, name: str, pid: int, value: str) -> None:
        """Raises OSError."""
        files.write(self._path(name), f"{pid} {value}")

    def _take(self, name: str, pid: int, value: str) -> bool:
        self.set(name, pid, value)
        return True

    def forget(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._run / f"mark.{name}"
