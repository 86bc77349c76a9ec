"""SIGTERM and SIGINT, answered even when the event loop does not turn.

The handler runs between two instructions of the main thread, so code that spins without yielding does not keep it from running; and a
thread ends the process when an orderly end takes too long. Only a process that is stopped, or held inside the kernel or a C library,
does not hear it: that one is killed from outside.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from pilothouse.cli.daemon.roles import DEADLINE_S

log = structlog.get_logger("daemon")


def on_signals(stop: Callable[[], None], *, deadline_s: float = DEADLINE_S) -> None:
    """Call from the main thread. stop: begins an orderly end; called in the main thread, outside of the loop's own callbacks."""
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            return
        asked.set()
        timer = threading.Timer(deadline_s, _give_up, args=(deadline_s,))
        timer.daemon = True
        timer.start()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _give_up(deadline_s: float) -> None:
    log.error("not ended in time: ending at once", deadline_s=deadline_s)
    os._exit(0)
