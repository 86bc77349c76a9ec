"""What the agent remembers of the running server, in memory beside its socket, so that an agent that starts again reads it."""

from pathlib import Path

from pilothouse.platform.databases.inside.agent import files


class Marks:
    """Each mark is a text that is only true of one process: of another server's pid it is not there."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def get(self, name: str, pid: int) -> str:
        of, _, value = files.read(self._path(name)).partition(" ")
        return value if pid and of == str(pid) else ""

    def set(self, name: str, pid: int, value: str) -> None:
        """Raises OSError."""
        files.write(self._path(name), f"{pid} {value}")

    def forget(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._run / f"mark.{name}"
