"""Whether a replica that has forgotten what it had received has all of it again: when it has what its source had when it was asked."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pymysql

from pilothouse.platform.databases.inside.agent.gtid import covers
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.seen import Replication
from pilothouse.platform.databases.inside.agent.wanted import Wanted

_TIMEOUT_S = 5


class CatchUp:
    """Asks the source once for each connection to it, in a thread of its own."""

    def __init__(self, tls: Path, changed: Callable[[], None]) -> None:
        self._tls = tls
        self._changed = changed
        self._job: Job | None = None
        self._position = ""

    def is_over(self, wanted: Wanted, replication: Replication) -> bool:
        if not replication.receives or wanted.source is None or wanted.replication is None:
            return False
        if self._job is None or (self._job.is_over and self._job.error):
            self._position = ""
            self._job = Job("catch up", lambda job: self._ask(wanted), self._changed)
        return self._job.is_over and bool(self._position) and covers(replication.received, self._position)

    def forget(self) -> None:
        self._job = None

    def _ask(self, wanted: Wanted) -> None:
        assert wanted.source is not None
        assert wanted.replication is not None
        context = ssl.create_default_context(cafile=str(self._tls / "ca.crt"))
        try:
            connection = pymysql.connect(
                host=wanted.source.host,
                port=wanted.source.port,
                user=wanted.replication.user,
                password=wanted.replication.password,
                ssl=context,
                connect_timeout=_TIMEOUT_S,
                read_timeout=_TIMEOUT_S,
            )
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT @@global.gtid_binlog_pos")
                row = cursor.fetchone()
        except (pymysql.Error, OSError) as error:
            raise Failed(f"the source could not be asked: {error}") from error
        self._position = str(row[0]) if row else ""
