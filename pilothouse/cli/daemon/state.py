"""What a process of an instance says about itself to `ph`: one small file, replaced whole with every step."""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pilothouse.aio.identity import Identity, this_boot
from pilothouse.cli.daemon.roles import Role
from pilothouse.cli.settings.home import Home

if TYPE_CHECKING:
    from pilothouse.aio.supervisor import Component

Phase = Literal["starting", "ready", "failed", "stopped"]


@dataclass(slots=True)
class State:
    """steps: what has been done since `started`, with the seconds each took. error: why it failed, for the user.

    failing: component -> why it does not work at the moment; it is tried again. failures: component -> how often it has failed.
    """

    pid: int
    started: float
    phase: Phase = "starting"
    steps: list[tuple[str, float]] = field(default_factory=list)
    error: str = ""
    failing: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    boot: str = field(default_factory=this_boot)

    @classmethod
    def load(cls, home: Home, role: Role) -> "State | None":
        """None where there is none, or one of before a restart of the machine: nothing of what it says holds any more."""
        try:
            stored = json.loads(role.state(home).read_text())
            found = cls(**{**stored, "steps": [tuple(step) for step in stored["steps"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if found.boot == this_boot() else None

    def save(self, home: Home, role: Role) -> None:
        path = role.state(home)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)


class Steps:
    """Notes each step of a start as it is done, and which components fail. Where nothing can be written, on a full disk, it only logs."""

    def __init__(self, home: Home, role: Role) -> None:
        self.home = home
        self.role = role
        self.state = State(os.getpid(), time.time())
        self._last = time.monotonic()
        self._is_written = True
        with suppress(OSError):
            home.run.mkdir(parents=True, exist_ok=True)
            role.worked(home).unlink(missing_ok=True)
        self._save()

    def done(self, what: str) -> None:
        now = time.monotonic()
        self.state.steps.append((what, round(now - self._last, 3)))
        self._last = now
        self._save()

    def enter(self, phase: Phase, error: str = "") -> None:
        self.state.phase = phase
        self.state.error = error
        if phase == "ready":
            with suppress(OSError):
                self.role.worked(self.home).touch()
        self._save()

    def components(self, components: "Iterable[Component]") -> None:
        listed = list(components)
        self.state.failing = {each.name: each.error for each in listed if each.error}
        self.state.failures = {each.name: each.total for each in listed if each.total}
        self._save()

    def _save(self) -> None:
        try:
            self.state.save(self.home, self.role)
        except OSError as error:
            if self._is_written:
                self._complain(error)
            self._is_written = False
        else:
            self._is_written = True

    def _complain(self, error: OSError) -> None:
        # Imported here: commands read the state too, and do not pay for it.
        import structlog

        structlog.get_logger("daemon").error("the state cannot be written down", path=str(self.role.state(self.home)), error=str(error))


def running_pid(path: Path) -> int | None:
    """The process that a pid file names, if it still runs."""
    identity = Identity.load(path)
    return identity.pid if identity is not None and identity.alive() else None


def note_pid(path: Path, pid: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Identity.of(pid).save(path)
