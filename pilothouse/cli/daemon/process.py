"""What the processes of an instance have in common: settings, signals, state file, logs, supervision.

Exit codes: 0 stopped as asked; 78 (EX_CONFIG) trying again is no use, the state file says why; anything else is a crash, after which the
process is started again.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvloop

from pilothouse.aio import allocator, collector
from pilothouse.aio.supervisor import Supervisor, first_error
from pilothouse.aio.tasks import Scope, scope
from pilothouse.aio.watchdog import Watchdog
from pilothouse.cli.daemon.logs import configure, keep_bounded
from pilothouse.cli.daemon.oom import protect
from pilothouse.cli.daemon.roles import Role
from pilothouse.cli.daemon.state import Steps, note_pid
from pilothouse.cli.daemon.stopping import on_signals
from pilothouse.cli.settings.home import Home, Settings, SettingsError

log = structlog.get_logger("daemon")
EX_CONFIG = 78


@dataclass(frozen=True, slots=True)
class Process:
    """The process that runs: tasks end with it, the supervisor's components fail alone."""

    home: Home
    settings: Settings
    steps: Steps
    tasks: Scope
    supervisor: Supervisor


Work = Callable[[Process], Coroutine[Any, Any, None]]
"""Brings everything up, and returns at once or runs until it is cancelled; calls `process.steps.enter("ready")`."""


def main(role: Role, work: Work, *, fatal: tuple[type[Exception], ...], logs: Callable[[Home], Sequence[Path]]) -> int:
    """Run a role of the home that is the first argument. fatal: what a second try cannot heal. logs: files to be kept from growing."""
    home = Home.chosen(sys.argv[1])
    allocator.restrain()
    configure()
    protect()
    steps = Steps(home, role)
    note_pid(role.pid(home), steps.state.pid)
    unhealable: tuple[type[Exception], ...] = (SettingsError, *fatal)
    try:
        settings = Settings.load(home)
        if settings is None:
            raise SettingsError(f"there is no instance at {home.path}")
        uvloop.run(_run(home, settings, steps, work, unhealable, logs(home)))
    except Exception as error:
        first = first_error(error)
        log.error("failed", exc_info=first)
        steps.enter("failed", str(first) or type(first).__name__)
        return EX_CONFIG if isinstance(first, unhealable) else 1
    steps.enter("stopped")
    role.pid(home).unlink(missing_ok=True)
    return 0


async def _run(
    home: Home, settings: Settings, steps: Steps, work: Work, unhealable: tuple[type[Exception], ...], logs: Sequence[Path]
) -> None:
    loop = asyncio.get_running_loop()
    collector.restrain()
    async with scope() as tasks:
        on_signals(lambda: _call(loop, tasks.cancel))
        supervisor = Supervisor(
            tasks, lambda: steps.components(supervisor), is_fatal=lambda error: isinstance(first_error(error), unhealable)
        )
        tasks.spawn(Watchdog().run(), name="watchdog")
        tasks.spawn(allocator.give_back(), name="memory")
        tasks.spawn(keep_bounded(logs), name="log sizes")
        await work(Process(home, settings, steps, tasks, supervisor))
        await asyncio.Event().wait()


def _call(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(action)
