"""What a server that runs for months needs now and then: logs that do not fill its volume. In a thread of its own, once a minute."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pilothouse.platform.databases.inside.agent import changes, disk
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable

EACH_S = 60.0
TIGHT_S = 2.0
"""While the volume is nearly full: logs may have to go at once."""
MOST_LOG = 32 << 20
_STATEMENT_S = 30.0


class Upkeep:
    """changed: called from another thread when a round is over."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._job: Job | None = None
        self._last = -EACH_S

    def see_to(self, archived: str | None, volume: disk.Disk) -> None:
        """Begins a round when one is due and none is under way. archived: as in the order."""
        each_s = TIGHT_S if volume.is_nearly_full else EACH_S
        if (self._job is None or self._job.is_over) and time.monotonic() - self._last >= each_s:
            self._last = time.monotonic()
            self._job = Job("upkeep", partial(self._work, archived), self._changed)

    def _work(self, archived: str | None, job: Job) -> None:
        sql = Sql(self._settings.socket, self._settings.user, _STATEMENT_S)
        try:
            rotate(self._settings.error_log, lambda: sql.run("FLUSH LOCAL ERROR LOGS"))
            rotate(self._settings.slow_log, lambda: sql.run("FLUSH LOCAL SLOW LOGS"))
            found = changes.logs(self._settings.mysql, time.time())
            if kept := changes.first_kept(found, changes.Room.of(disk.measure(self._settings.data)), archived):
                sql.rows("PURGE BINARY LOGS TO %s", (kept.path.name,))
        except (Unreachable, Refused, OSError, ValueError) as error:
            raise Failed(str(error)) from error
        finally:
            sql.close()


def rotate(log: Path, reopen: Callable[[], None]) -> None:
    """One older file is kept."""
    if log.exists() and log.stat().st_size > MOST_LOG:
        log.rename(log.with_name(f"{log.name}.1"))
        reopen()
