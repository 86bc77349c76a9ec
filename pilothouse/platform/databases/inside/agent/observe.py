"""What the agent sees in one look: its processes, its server's answer, and since when something is so."""

import time
from collections.abc import Callable

from pilothouse.platform.databases.inside.agent import dialects, disk
from pilothouse.platform.databases.inside.agent.carry import DRAINED
from pilothouse.platform.databases.inside.agent.catch_up import CatchUp
from pilothouse.platform.databases.inside.agent.marks import Marks
from pilothouse.platform.databases.inside.agent.process import Process
from pilothouse.platform.databases.inside.agent.seed import copy
from pilothouse.platform.databases.inside.agent.seen import Answer, Seen
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.wanted import Wanted


class Observer:
    """For the loop's thread. fenced_at: the term at whose order the server has ceased to receive, 0 while it may receive.

    closed_at: when a primary was made read only, by the monotonic clock; None while it is writable.
    """

    def __init__(self, settings: Settings, process: Process, sql: Sql, marks: Marks, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._process = process
        self._sql = sql
        self._marks = marks
        self._dialect = dialects.of(settings.flavour)
        self._catch_up = CatchUp(self._dialect, settings.tls, changed)
        self._unanswered_since: float | None = None
        self._is_mute = False
        self._refusal = ""
        self._is_full = False
        self.fenced_at = 0
        self.closed_at: float | None = None

    @property
    def unanswered_s(self) -> float:
        """How long a running server has not answered."""
        return 0.0 if self._unanswered_since is None else time.monotonic() - self._unanswered_since

    @property
    def read_only_s(self) -> float | None:
        return None if self.closed_at is None else round(time.monotonic() - self.closed_at, 3)

    def look(self, wanted: Wanted | None) -> Seen:
        process = self._process
        pid, began = process.pid(), time.monotonic()
        answer = self._ask() if pid else None
        stranger = self._sql.peer if answer is not None and self._sql.peer not in (0, pid) else 0
        answer = None if stranger else answer
        self._count_silence(pid, answer, began)
        self._count_fence(wanted, answer)
        if answer is not None and not answer.read_only:
            self.closed_at = None
        room = disk.measure(self._settings.data)
        self._is_full = room.is_full(self._is_full)
        return Seen(
            data="ready" if self._settings.mysql.is_dir() else "empty",
            pid=pid,
            has_supervisor=process.has_supervisor(),
            can_start=process.can_start(),
            is_stopping=process.is_stopping(),
            ended=None if pid else process.ended(),
            mode=self._marks.get("mode", pid),
            is_drained=bool(self._marks.get("drained", pid)),
            is_intact=self._is_intact(wanted, pid, answer),
            copied_at=copy.position(self._settings) if answer and not answer.executed else "",
            stranger=stranger,
            has_answered=self._has_answered(pid, answer),
            disk=room,
            is_full=self._is_full,
            answer=answer,
            refusal=self._refusal if pid and answer is None else "",
        )

    def _ask(self) -> Answer | None:
        """A refusal shows that the server lives, unless it has left a statement unanswered: one that hangs refuses new connections, too."""
        self._refusal = ""
        try:
            answer = self._dialect.look(self._sql)
        except Unreachable:
            self._is_mute = True
            return None
        except Refused as error:
            self._refusal = "" if self._is_mute else str(error)
            return None
        self._is_mute = False
        return answer

    def _has_answered(self, pid: int, answer: Answer | None) -> bool:
        if answer is not None and not self._marks.get("answered", pid):
            self._marks.set("answered", pid, "yes")
        return bool(self._marks.get("answered", pid))

    def _count_silence(self, pid: int, answer: Answer | None, began: float) -> None:
        self._is_mute = self._is_mute and bool(pid)
        if not pid or answer is not None or self._refusal:
            self._unanswered_since = None
        elif self._unanswered_since is None:
            self._unanswered_since = began

    def _count_fence(self, wanted: Wanted | None, answer: Answer | None) -> None:
        """A server whose thread for that has ended receives nothing until it is told to follow somebody."""
        if wanted is None or wanted.source is not None or wanted.role != "replica":
            self.fenced_at = 0
        elif answer is not None and (answer.replication is None or answer.replication.is_fenced):
            self.fenced_at = wanted.term

    def _is_intact(self, wanted: Wanted | None, pid: int, answer: Answer | None) -> bool:
        """Of a copy, and of a member that has lost what it had received, that is known only when it has caught up: it may have acknowledged
        more before.
        """
        drained, is_unproven = self._marks.get("drained", pid), copy.is_unproven(self._settings)
        if answer is None or answer.replication is None or (drained == DRAINED and not is_unproven):
            self._catch_up.forget()
            return answer is not None and not is_unproven
        if not drained or wanted is None or not self._catch_up.is_over(wanted, answer.replication):
            return False
        copy.has_caught_up(self._settings)
        self._marks.set("drained", pid, DRAINED)
        return True
