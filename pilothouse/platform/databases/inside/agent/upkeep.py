"""What a server that runs for months needs now and then: logs that do not fill its volume. In a thread of its own, once a minute."""

import time
from collections.abc import Callable
from pathlib import Path

from pilothouse.platform.databases.inside.agent import disk
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable

EACH_S = 60.0
MOST_LOG = 32 << 20
LEAST_KEPT = 256 << 20
"""Bytes of the log of changes that are kept in any case, for replicas that were away."""
_STATEMENT_S = 30.0


class Upkeep:
    """changed: called from another thread when a round is over."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._job: Job | None = None
        self._last = -EACH_S

    def see_to(self) -> None:
        """Begins a round when one is due and none is under way."""
        if (self._job is None or self._job.is_over) and time.monotonic() - self._last >= EACH_S:
            self._last = time.monotonic()
            self._job = Job("upkeep", self._work, self._changed)

    def _work(self, job: Job) -> None:
        sql = Sql(self._settings.socket, self._settings.user, _STATEMENT_S)
        try:
            rotate(self._settings.error_log, lambda: sql.run("FLUSH LOCAL ERROR LOGS"))
            rotate(self._settings.slow_log, lambda: sql.run("FLUSH LOCAL SLOW LOGS"))
            if last := first_kept(binary_logs(self._settings.mysql), most_bytes(disk.measure(self._settings.data))):
                sql.rows("PURGE BINARY LOGS TO %s", (last,))
        except (Unreachable, Refused) as error:
            raise Failed(str(error)) from error
        finally:
            sql.close()


def rotate(log: Path, reopen: Callable[[], None]) -> None:
    """One older file is kept."""
    if log.exists() and log.stat().st_size > MOST_LOG:
        log.rename(log.with_name(f"{log.name}.1"))
        reopen()


def binary_logs(folder: Path) -> list[tuple[str, int]]:
    """Names and bytes, the oldest first."""
    return sorted((path.name, path.stat().st_size) for path in folder.glob("binlog.[0-9]*"))


def most_bytes(volume: disk.Disk) -> int:
    """That the log of changes may take: a fifth of the volume."""
    return max(min(LEAST_KEPT, volume.size // 3), volume.size // 5)


def first_kept(logs: list[tuple[str, int]], most: int) -> str:
    """The oldest log that stays so that all take at most so many bytes, and the last two do in any case; "" when all stay. Pure."""
    left = sum(size for _, size in logs)
    for i, (name, size) in enumerate(logs):
        if left <= most or i >= len(logs) - 2:
            return name if i else ""
        left -= size
    return ""
