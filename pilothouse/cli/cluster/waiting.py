"""Waiting for an instance to come up, with its steps shown as they are taken."""

import time

import click

from pilothouse.cli import output
from pilothouse.cli.cluster import service
from pilothouse.cli.daemon.roles import Role, roles_of
from pilothouse.cli.daemon.state import State
from pilothouse.cli.settings.home import Home

START_DEADLINE_S = 120.0
"""Without a step that gets done. On a slow machine all of them may take longer, and are waited for."""
SLOW_S = 60.0
"""After which somebody who waits is told that the machine is slow."""
STUCK_S = 25.0
"""How long a component may fail for the same reason before that is said instead of waited for."""
STUCK_STEPS = 3.0
"""The same in times that the longest step has taken: what a component fails for may be another one that a slow machine has yet to start."""
SHOWN_S = 5.0
"""How long it may before that is said while it is waited for."""
POLL_S = 0.02


class NotUp(click.ClickException):
    """The instance has not come up; the message says which part of it, and why."""


def wait_ready(home: Home, *, stuck_s: float = STUCK_S) -> None:
    """Returns when its processes are ready. Raises NotUp: at the latest START_DEADLINE_S after the last step that was done."""
    begun = moved = time.monotonic()
    done, is_slow = 0, False
    shown = output.Waiting(SHOWN_S)
    waits = [_Wait(home, role, shown) for role in roles_of(home)]
    try:
        while (now := time.monotonic()) - moved < START_DEADLINE_S:
            # Each is looked at, also behind one that is not ready, so that each shows its steps.
            patience_s = max(stuck_s, STUCK_STEPS * max(each.longest_s for each in waits))
            ready = [each.look(patience_s) for each in waits]
            if all(ready):
                return
            if (reached := sum(each.reached for each in waits)) > done:
                done, moved = reached, now
            if now - begun > SLOW_S and not is_slow:
                is_slow = True
                shown.clear()
                output.note(f"this machine is slow or busy: each step of the start is waited for, {START_DEADLINE_S:g} s at most")
            if failing := next((text for each in waits for text in each.told()), ""):
                shown.show(failing)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        shown.clear()
        output.note("it goes on starting in the background: `ph status` shows how far it is, `ph down` stops it, `ph destroy` gives it up")
        raise
    finally:
        shown.clear()
    why = "; ".join(f"{name}: {error}" for each in waits for name, error in each.failing.items())
    raise NotUp(
        f"Pilothouse is not ready after {now - begun:.3g} s, and for {START_DEADLINE_S:g} s no step has been done"
        f"{f' ({why})' if why else ''}: see {home.log}"
    )


class _Wait:
    """One process on its way up."""

    def __init__(self, home: Home, role: Role, shown: output.Waiting) -> None:
        """shown: what is waited for, in a line of which none is left beside a step."""
        self.home = home
        self.role = role
        self._waiting = shown
        self.failing: dict[str, str] = {}
        self.longest_s = 0.0
        self.reached = 0
        """The most steps that the process has done in one go, its beginning included: one that crashes and begins anew does not get on."""
        self._pid = 0
        self._shown = 0
        self._since: dict[tuple[str, str], float] = {}

    def look(self, stuck_s: float) -> bool:
        """Whether the process is ready. Raises NotUp when it will not be, or a part has failed for so long for the same reason."""
        state = State.load(self.home, self.role)
        is_running = service.is_running(self.home, self.role)
        if state is not None:
            self._show(state)
            if state.phase == "ready":
                return True
            if state.phase == "failed" and not is_running:
                raise NotUp(state.error)
            self._check_stuck(state, stuck_s)
        if not is_running:
            raise NotUp(f"the {self.role.title} ended while it started: the last lines of {self.role.log(self.home)} say why")
        return False

    def told(self) -> list[str]:
        """What does not start at the moment, and why."""
        return [f"{name}: {error}" for name, error in self._since]

    def _show(self, state: State) -> None:
        if state.pid != self._pid:
            self._pid, self._shown = state.pid, 0
        for what, took_s in state.steps[self._shown :]:
            self._waiting.clear()
            output.note(f"{output.tick()} {what} ({took_s:.1f} s)")
            self.longest_s = max(self.longest_s, took_s)
        self._shown = len(state.steps)
        self.reached = max(self.reached, 1 + len(state.steps))

    def _check_stuck(self, state: State, stuck_s: float) -> None:
        now = time.monotonic()
        failing = dict(state.failing)
        if state.phase == "failed":
            failing[self.role.title] = state.error
        self.failing = failing or self.failing
        self._since = {(name, error): self._since.get((name, error), now) for name, error in state.failing.items()}
        for (name, error), since in self._since.items():
            if now - since > stuck_s:
                raise NotUp(f"{name} does not start: {error}")
