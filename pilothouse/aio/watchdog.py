"""Watches the event loop: how late it is, and who holds it when it is not let go of.

A thread asks the loop from outside, since a loop that never yields cannot say anything about itself: it puts a callback into the loop and
measures how long that has to wait. It asks when the loop's thread has used the processor since the last look, for then it may be held by
somebody who computes, and at every second look in any case, for it may be held by somebody who waits. While there is no answer, the
thread reads the stack of the loop's thread and names the task and the line. In a process that has nothing to do, that wakes the
thread twice a second and the loop once.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog

from pilothouse.aio.meters import Counter, Gauge

log = structlog.get_logger("aio.watchdog")

LAG = Gauge("pilothouse_event_loop_lag_seconds", "How late the event loop ran what it was asked last.")
WORST_LAG = Gauge("pilothouse_event_loop_worst_lag_seconds", "The longest lag of the event loop in the last minute.")
HELD = Counter("pilothouse_event_loop_held_total", "How often the event loop was held so long that it was logged.")
HELD_SECONDS = Counter("pilothouse_event_loop_held_seconds_total", "For how long it was held in all of these.")

WORST_OF_S = 60.0
_BUSY = 0.2
"""Of a processor: a loop whose thread has used more of one since the last look is asked, and looked at more often."""
SAY_LEAST_S = 5.0
"""At most one hold in that time is logged, however many there are, unless one is twice as long as the last that was logged."""
STACK_DEPTH = 6
IDLE_FILES = ("selectors.py", "runners.py", "base_events.py")


@dataclass(frozen=True, slots=True)
class Hold:
    """held_s: up to now. task: name of the running task, "" where a callback or nobody's Python code runs. where: innermost first."""

    held_s: float
    task: str
    where: tuple[str, ...]


class Watchdog:
    """held_s: how long the loop may be held before that is logged. report: gets each hold that is worth a line, in the thread.

    One that begins while the loop is idle is seen for certain when it takes four times as long as that, or six times when it waits
    for something (a lock, a disk) instead of computing; a shorter one by chance.
    """

    def __init__(self, *, held_s: float = 0.25, report: Callable[[Hold], None] | None = None) -> None:
        self._held_s = held_s
        self._report = log_hold if report is None else report
        self._asked_at: float | None = None
        self._said: tuple[float, float] = (0.0, float("-inf"))
        self._lag_s = 0.0
        self._worst: tuple[float, float] = (0.0, 0.0)
        self._stopped = threading.Event()

    @property
    def lag_s(self) -> float:
        return self._lag_s

    @property
    def worst_lag_s(self) -> float:
        """Of the last minute or so."""
        lag_s, at = self._worst
        return lag_s if time.monotonic() - at <= WORST_OF_S else self._lag_s

    async def run(self) -> None:
        """Watch the running loop, from the thread that runs it, until cancelled."""
        loop, ident = asyncio.get_running_loop(), threading.get_ident()
        LAG.reads(lambda: self.lag_s)
        WORST_LAG.reads(lambda: self.worst_lag_s)
        thread = threading.Thread(target=self._watch, args=(loop, ident), name="watchdog", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._stopped.set()

    def _answer(self) -> None:
        """In the loop."""
        asked_at, self._asked_at = self._asked_at, None
        if asked_at is not None:
            self._note(time.monotonic() - asked_at)

    def _note(self, lag_s: float) -> None:
        self._lag_s = lag_s
        if lag_s >= self.worst_lag_s:
            self._worst = (lag_s, time.monotonic())
        if lag_s > self._held_s:
            HELD.add()
            HELD_SECONDS.add(by=lag_s)

    def _watch(self, loop: asyncio.AbstractEventLoop, ident: int) -> None:
        """In the thread."""
        use, pace = Use(ident), LookPace(self._held_s)
        while not self._stopped.wait(pace.pause_s):
            is_due = pace.is_due(use.since_last())
            asked_at = self._asked_at
            if asked_at is not None:
                self._unanswered(loop, ident, time.monotonic() - asked_at)
            elif is_due and not self._ask(loop):
                return

    def _ask(self, loop: asyncio.AbstractEventLoop) -> bool:
        """False: the loop is closed."""
        self._asked_at = time.monotonic()
        try:
            loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            return False
        return True

    def _unanswered(self, loop: asyncio.AbstractEventLoop, ident: int, held_s: float) -> None:
        """Said at held_s, then at twice what was said last."""
        said_s, said_at = self._said
        now = time.monotonic()
        if held_s >= self._held_s and (held_s >= 2 * said_s or now - said_at >= max(SAY_LEAST_S, 2 * said_s)):
            self._said = held_s, now
            self._report(look(loop, ident, held_s))


class LookPace:
    """When the thread looks, and at which looks the loop is asked. pause_s: until the next look."""

    def __init__(self, held_s: float) -> None:
        self._held_s = held_s
        self._was_due = False
        self.pause_s = held_s / 2

    def is_due(self, use: float) -> bool:
        """Whether to ask at this look. use: of one processor by the loop's thread since the last look."""
        is_busy = use > _BUSY
        self._was_due = is_busy or not self._was_due
        self.pause_s = self._held_s / 2 if is_busy else self._held_s * 2
        return self._was_due


class Use:
    """Of a processor by one thread, which must not have ended."""

    def __init__(self, ident: int) -> None:
        self._clock = time.pthread_getcpuclockid(ident)
        self._at, self._used_s = time.monotonic(), time.clock_gettime(self._clock)

    def since_last(self) -> float:
        """The share of one processor since the last call."""
        at, used_s = time.monotonic(), time.clock_gettime(self._clock)
        share = (used_s - self._used_s) / max(at - self._at, 1e-6)
        self._at, self._used_s = at, used_s
        return share


def look(loop: asyncio.AbstractEventLoop, ident: int, held_s: float) -> Hold:
    """What the thread `ident`, which runs the loop, does at this moment. For any thread."""
    frame = sys._current_frames().get(ident)
    where = _stack(frame)
    task = asyncio.current_task(loop)
    return Hold(held_s, "" if task is None else _title(task), where)


def _title(task: "asyncio.Task[Any]") -> str:
    """The task's name, with its coroutine's where nobody has given it one."""
    name, work = task.get_name(), getattr(task.get_coro(), "__qualname__", "")
    return f"{name} ({work})" if name.startswith("Task-") and work else name


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    found: list[str] = []
    while frame is not None and len(found) < STACK_DEPTH:
        code = frame.f_code
        file = "/".join(code.co_filename.split("/")[-2:])
        if not found and file.rpartition("/")[2] in IDLE_FILES:
            return ()
        if "asyncio/" not in file and not file.startswith("<frozen"):
            found.append(f"{file}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return tuple(found)


def log_hold(hold: Hold) -> None:
    where = " < ".join(hold.where) or "no Python code: the machine is busy, or the process was stopped"
    log.warning("event loop held", held_s=round(hold.held_s, 3), task=hold.task, where=where)
