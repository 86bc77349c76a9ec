"""Watches the event loop: how late it is all the time, and who holds it when it is not let go of.

A timer in the loop measures the lag. A thread looks from outside whether that timer still fires, since a loop that never yields
cannot say anything about itself; while it is held, the thread reads the stack of the loop's thread and names the task and the
line. The thread only ever reads, so it costs two short wake-ups in each `held_s` and nothing else.
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

LAG = Gauge("pilothouse_event_loop_lag_seconds", "How late the event loop ran its last timer.")
WORST_LAG = Gauge("pilothouse_event_loop_worst_lag_seconds", "The longest lag of the event loop in the last minute.")
HELD = Counter("pilothouse_event_loop_held_total", "How often the event loop was held so long that it was logged.")
HELD_SECONDS = Counter("pilothouse_event_loop_held_seconds_total", "For how long it was held in all of these.")

BEAT_S = 0.1
WORST_OF_S = 60.0
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
    """held_s: how long the loop may be held before that is logged. report: gets each hold that is worth a line, in the thread."""

    def __init__(self, *, held_s: float = 0.25, report: Callable[[Hold], None] | None = None) -> None:
        self._held_s = held_s
        self._report = log_hold if report is None else report
        self._beat_at = 0.0
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
        self._beat_at = time.monotonic()
        LAG.reads(lambda: self.lag_s)
        WORST_LAG.reads(lambda: self.worst_lag_s)
        thread = threading.Thread(target=self._watch, args=(loop, ident), name="watchdog", daemon=True)
        thread.start()
        try:
            await self._beats()
        finally:
            self._stopped.set()

    async def _beats(self) -> None:
        while True:
            # The machine's clock and not the loop's: what is measured is what users wait for.
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._beat_at = time.monotonic()
            self._note(max(0.0, self._beat_at - due))

    def _note(self, lag_s: float) -> None:
        self._lag_s = lag_s
        if lag_s >= self.worst_lag_s:
            self._worst = (lag_s, time.monotonic())
        if lag_s > self._held_s:
            HELD.add()
            HELD_SECONDS.add(by=lag_s)

    def _watch(self, loop: asyncio.AbstractEventLoop, ident: int) -> None:
        """In the thread: while the beat is overdue, say so at held_s, then at twice what was said last."""
        said_s, said_at = 0.0, float("-inf")
        while not self._stopped.wait(self._held_s / 2):
            now = time.monotonic()
            held_s = now - self._beat_at - BEAT_S
            if held_s >= self._held_s and (held_s >= 2 * said_s or now - said_at >= max(SAY_LEAST_S, 2 * said_s)):
                said_s, said_at = held_s, now
                self._report(look(loop, ident, held_s))


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
