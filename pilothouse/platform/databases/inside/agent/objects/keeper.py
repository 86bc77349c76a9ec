"""Sees to accounts and databases beside the loop: their statements may wait for acknowledgements like any commit."""

from collections.abc import Callable

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.objects.apply import Outcome, Postponed, apply
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.wanted import Wanted

_STATEMENT_S = 60.0


class Keeper:
    """changed: called from another thread when a round over all objects is over."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._job: Job | None = None
        self._done = ""
        self.error = ""
        self.outcomes: dict[str, Outcome] = {}

    def see_to(self, wanted: Wanted, pid: int) -> bool:
        """Begins with what was not seen to yet; True when all of it was. Asked again by the loop for each order and server."""
        key = f"{pid} {hash((wanted.accounts, wanted.databases, wanted.dropped, wanted.replication))}"
        if self._job is not None and self._job.is_over:
            self.error, self._done = self._job.error, "" if self._job.error else self._job.key
            self._job = None
        if self._job is None and self._done != key:
            self._job = Job(key, lambda job: self._work(wanted), self._changed)
        return self._job is None

    def _work(self, wanted: Wanted) -> None:
        sql = Sql(self._settings.socket, self._settings.user, _STATEMENT_S)
        try:
            self.outcomes = apply(dialects.of(self._settings.flavour).accounts, sql, wanted)
        except (Unreachable, Refused, Postponed) as error:
            raise Failed(f"accounts and databases: {error}") from error
        finally:
            sql.close()
