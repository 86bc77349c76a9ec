"""Sessions that are left when a server has become read only: those get an answer of their own for a moment, then they are ended."""

import time

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.sessions import Sessions
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.wanted import Wanted

PATIENCE_S = 1.5
_PAUSE_S = 0.01


def end(settings: Settings, wanted: Wanted) -> Job:
    """In a thread of its own."""
    return Job("leftovers", lambda job: _work(settings, wanted), lambda: None)


def own_accounts(settings: Settings, wanted: Wanted) -> tuple[str, ...]:
    return (settings.user, *((wanted.replication.user,) if wanted.replication else ()))


def _work(settings: Settings, wanted: Wanted) -> None:
    sql = Sql(settings.socket, settings.user)
    sessions = Sessions(dialects.of(settings.flavour), sql, own_accounts(settings, wanted))
    end = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < end and sessions.end_idle():
            time.sleep(_PAUSE_S)
        sessions.end_all()
    except (Unreachable, Refused) as error:
        raise Failed(str(error)) from error
    finally:
        sql.close()
