"""Whether a replica that has forgotten what it had received, or whose data are a copy, has all again that it ever acknowledged.

It has when it has received what its source had when that was asked.
"""

import time
from collections.abc import Callable
from pathlib import Path

from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect
from pilothouse.platform.databases.inside.agent.gtid import covers
from pilothouse.platform.databases.inside.agent.job import Job
from pilothouse.platform.databases.inside.agent.seen import Replication
from pilothouse.platform.databases.inside.agent.source import ask
from pilothouse.platform.databases.inside.agent.wanted import Wanted

_AGAIN_S = 1.0
"""After a question that failed."""


class CatchUp:
    """Asks the source once for each connection to it, in a thread of its own."""

    def __init__(self, dialect: Dialect, tls: Path, changed: Callable[[], None]) -> None:
        self._dialect = dialect
        self._tls = tls
        self._changed = changed
        self._job: Job | None = None
        self._since = 0.0
        self._answer: list[str] = []

    def is_over(self, wanted: Wanted, replication: Replication) -> bool:
        if not replication.receives or wanted.source is None or wanted.replication is None:
            self.forget()
            return False
        now = time.monotonic()
        if self._job is None or (self._job.is_over and self._job.error and now - self._since >= _AGAIN_S):
            self._since, self._answer = now, (answer := [])
            self._job = Job("catch up", lambda job: answer.append(ask(self._dialect, wanted, self._tls).position), self._changed)
        return any(covers(replication.received, position) for position in self._answer)

    def forget(self) -> None:
        """What was asked before the server ended, or of another source, says nothing of what has been acknowledged since."""
        self._job, self._answer = None, []
