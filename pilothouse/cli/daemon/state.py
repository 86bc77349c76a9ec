"""What a daemon says about itself to `ph`: one small file in its home, replaced whole with every step."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pilothouse.aio.identity import Identity
from pilothouse.cli.settings.home import Home

Phase = Literal["starting", "ready", "failed", "stopped"]


@dataclass(slots=True)
class State:
    """steps: what has been done since `started`, with the seconds each took. error: why it failed, for the user."""

    pid: int
    started: float
    phase: Phase = "starting"
    steps: list[tuple[str, float]] = field(default_factory=list)
    error: str = ""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, home: Home) -> "State | None":
        try:
            stored = json.loads(_path(home).read_text())
            return cls(**{**stored, "steps": [tuple(step) for step in stored["steps"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save(self, home: Home) -> None:
        draft = _path(home).with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(_path(home))


def _path(home: Home) -> Path:
    return home.run / "state.json"


class Steps:
    """Notes each step of a start as it is done."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.state = State(os.getpid(), time.time())
        self._last = time.monotonic()
        home.run.mkdir(parents=True, exist_ok=True)
        self.state.save(home)

    def done(self, what: str) -> None:
        now = time.monotonic()
        self.state.steps.append((what, round(now - self._last, 3)))
        self._last = now
        self.state.save(self.home)

    def enter(self, phase: Phase, error: str = "") -> None:
        self.state.phase = phase
        self.state.error = error
        self.state.save(self.home)


def running_pid(path: Path) -> int | None:
    """The process that a pid file names, if it still runs."""
    identity = Identity.load(path)
    return identity.pid if identity is not None and identity.alive() else None


def note_pid(path: Path, pid: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Identity.of(pid).save(path)
