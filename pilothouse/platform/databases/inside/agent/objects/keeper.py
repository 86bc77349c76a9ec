"""Sees to accounts and databases beside the loop: their statements may wait for acknowledgements like any commit."""

import time
from collections.abc import Callable, Mapping

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.dialects.seam import Accounts
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.objects.apply import Outcome, Postponed, apply
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.wanted import Wanted

_STATEMENT_S = 60.0
AGAIN_S, AGAIN_AT_MOST_S = 5.0, 60.0
"""Until what was refused is tried again, such as a right on a table that is not there yet; twice as long each time."""


Apply = Callable[[Accounts, Sql, Wanted, Mapping[str, Outcome]], dict[str, Outcome]]


class Keeper:
    """changed: called from another thread when a round over all objects is over. carry_out: see `apply`."""

    def __init__(self, settings: Settings, changed: Callable[[], None], carry_out: Apply = apply) -> None:
        self._settings = settings
        self._changed = changed
        self._carry_out = carry_out
        self._job: Job | None = None
        self._done = ""
        self._pause_s, self._again_at = AGAIN_S, 0.0
        self._failed = ""
        self.error = ""
        self.outcomes: dict[str, Outcome] = {}

    def see_to(self, wanted: Wanted, pid: int, now_s: float | None = None) -> bool:
        """Begins with what was not seen to yet, or is due once more; True when all of it was seen to, be it refused.

        Asked again by the loop for each order and server. now_s: of a clock that never goes back.
        """
        now_s = time.monotonic() if now_s is None else now_s
        key = f"{pid} {hash((wanted.accounts, wanted.databases, wanted.dropped, wanted.replication))}"
        if self._job is not None and self._job.is_over:
            self._reap(self._job, now_s)
        if self._job is None and self._is_due(key, now_s):
            if key not in (self._done, self._failed):
                self._pause_s = AGAIN_S
            self._job = Job(key, lambda job: self._work(wanted), self._changed)
        return self._done == key

    def _reap(self, job: Job, now_s: float) -> None:
        self._job, self.error = None, job.error
        self._done, self._failed = ("", job.key) if job.error else (job.key, "")
        if job.error or any(each.error for each in self.outcomes.values()):
            self._again_at = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, AGAIN_AT_MOST_S)
        else:
            self._again_at = 0.0

    def _is_due(self, key: str, now_s: float) -> bool:
        is_new = key not in (self._done, self._failed)
        return is_new or bool(self._again_at and now_s >= self._again_at)

    def _work(self, wanted: Wanted) -> None:
        sql = Sql(self._settings.socket, self._settings.user, _STATEMENT_S)
        try:
            self.outcomes = self._carry_out(dialects.of(self._settings.flavour).accounts, sql, wanted, self.outcomes)
        except (Unreachable, Refused, Postponed) as error:
            raise Failed(f"accounts and databases: {error}") from error
        finally:
            sql.close()
