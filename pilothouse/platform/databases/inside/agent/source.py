"""What the server that this one is to follow has: asked for in a thread of its own, as it may not answer."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect
from pilothouse.platform.databases.inside.agent.gtid import covers, without
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.wanted import Wanted

_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Has:
    """is_writable: it accepts writes, so that it has applied all that it will ever have from others. server: its UUID, where it has one."""

    position: str
    is_writable: bool
    server: str = ""

    def covers(self, executed: str) -> bool:
        """Whether it has all of that. What it wrote itself it has, also what its position lacks while that waits for an acknowledgement."""
        return covers(self.position, without(executed, self.server) if self.server else executed)


def connected(wanted: Wanted, tls: Path) -> "pymysql.Connection[Cursor]":
    """To the server that the order names, by the account of replication. Raises pymysql.Error, OSError."""
    assert wanted.source is not None
    assert wanted.replication is not None
    return pymysql.connect(
        host=wanted.source.host,
        port=wanted.source.port,
        user=wanted.replication.user,
        password=wanted.replication.password,
        ssl=ssl.create_default_context(cafile=str(tls / "ca.crt")),
        connect_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
    )


def ask(dialect: Dialect, wanted: Wanted, tls: Path) -> Has:
    """Raises Failed."""
    try:
        with connected(wanted, tls) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@global.read_only")  # before the position, which only grows
            (read_only,) = cursor.fetchone() or (1,)
            cursor.execute(dialect.position)
            position, server = cursor.fetchone() or ("", "")
    except (pymysql.Error, OSError) as error:
        raise Failed(f"the source could not be asked: {error}") from error
    return Has(str(position or "").replace("\n", ""), not read_only, str(server or ""))


class Source:
    """For the loop's thread. changed: called from another one when there is an answer."""

    def __init__(self, dialect: Dialect, tls: Path, changed: Callable[[], None]) -> None:
        self._dialect = dialect
        self._tls = tls
        self._changed = changed
        self._job: Job | None = None
        self._answers: list[Has] = []

    def has(self, wanted: Wanted) -> Has | None:
        """What was answered to a question of this order, once; None while there is no answer yet. Raises Failed."""
        if self._job is None or self._job.key != wanted.digest:
            answers = self._answers = []
            self._job = Job(wanted.digest, lambda job: answers.append(ask(self._dialect, wanted, self._tls)), self._changed)
            return None
        if not self._job.is_over:
            return None
        job, self._job = self._job, None
        if job.error:
            raise Failed(job.error)
        return self._answers[0]
