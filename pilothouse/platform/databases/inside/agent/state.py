"""What the agent tells of its member: the state document, and the board on which those who wait for news find it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from pilothouse.platform.databases.inside.agent.disk import Disk
from pilothouse.platform.databases.inside.agent.objects.apply import Outcome
from pilothouse.platform.databases.inside.agent.plan import Do, Step
from pilothouse.platform.databases.inside.agent.seen import Answer, Seen
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.tuning import Tuned
from pilothouse.platform.databases.inside.agent.wanted import Server, Wanted

State = dict[str, object]
_QUIET = frozenset({"gtid", "disk", "sessions", "uptime_s", "unanswered_s", "read_only_s"})
"""They change all the time: nobody is woken for them alone."""
LAGS_S = (5.0, 10.0)
"""A replica that lags more is not handed over to, and not read from: passing one of these is news."""
DISK_PARTS = 20
"""So many parts of the volume are told apart."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the loop knows after a round.

    fenced_at: see `observe.Observer`. tuned, server: the settings that the server has taken. reseeded: as it was when the rest was seen.
    account: the version of the password with which it follows, "" where it does not.
    """

    term: int
    wanted: Wanted | None
    seen: Seen
    step: Step
    doing: str
    error: str
    is_seeding: bool
    is_leaving: bool
    fenced_at: int
    objects: Mapping[str, Outcome]
    tuned: Tuned | None
    server: Server | None
    disk: Disk
    unanswered_s: float
    read_only_s: float | None
    untruncated: bool
    reseeded: str
    account: str


_WITHOUT_ANSWER: State = {"gtid": None, "replication": None, "semi_sync": None, "version": "", "sessions": 0, "uptime_s": None}


def document(settings: Settings, report: Report, program: str) -> State:
    """docs/reference/database-agent.md has the fields. program: a digest of the agent's own."""
    seen, wanted = report.seen, report.wanted
    answer = seen.answer
    role = seen.mode if answer is not None and seen.mode else "none"
    return {
        "member": settings.member,
        "uid": settings.uid,
        "term": report.term,
        "wanted": wanted.digest if wanted else "",
        "applied": wanted is not None and report.step.do is Do.DONE and not report.error,
        "doing": report.doing,
        "error": report.error,
        "data": "seeding" if report.is_seeding else seen.data,
        "process": seen.process,
        "ended": {"code": seen.ended.code, "at": seen.ended.at} if seen.ended else None,
        "role": role,
        "writable": answer is not None and role == "primary" and not answer.read_only,
        "drained": bool(answer and wanted and wanted.role == "primary" and wanted.drain and role == "primary" and answer.read_only),
        "gate": answer is not None and answer.is_gated,
        "read_only_s": report.read_only_s,
        "answers": answer is not None,
        "refuses": bool(seen.refusal),
        "unanswered_s": round(report.unanswered_s, 1),
        "untruncated": report.untruncated,
        "reseeded": report.reseeded,
        "told": {"acknowledges": wanted.acknowledges, "step": wanted.step} if wanted else None,
        "leaving": report.is_leaving or seen.is_stopping,
        "objects": {key: asdict(each) for key, each in report.objects.items()},
        "disk": {"size": report.disk.size, "free": report.disk.free},
        "limits": {"memory_bytes": report.server.memory_bytes, "cpu_millis": report.server.cpu_millis} if report.server else None,
        "pending_restart": list(report.tuned.pending) if report.tuned else [],
        "rejected": dict(report.tuned.rejected) if report.tuned else {},
        "agent": program,
    } | (_of_server(answer, report) if answer else _WITHOUT_ANSWER)


def _of_server(answer: Answer, report: Report) -> State:
    source = answer.replication
    semi_sync = answer.semi_sync
    return {
        "gtid": {"executed": answer.executed, "received": source.received if source else "", "state": answer.binlog_state},
        "replication": _replication(report, answer) if source or report.fenced_at else None,
        "semi_sync": {
            "on": semi_sync.primary,
            "acknowledging": semi_sync.acknowledging,
            "waiting": semi_sync.waiting,
            "acknowledges": semi_sync.replica or semi_sync.acknowledges,
        },
        "version": answer.version,
        "sessions": answer.sessions,
        "uptime_s": answer.uptime_s,
    }


def _replication(report: Report, answer: Answer) -> State:
    source = answer.replication
    return {
        "source": source.host if source else "",
        "port": source.port if source else 0,
        "io": source is not None and source.receives,
        "sql": source is not None and source.sql,
        "lag_s": source.lag_s if source else None,
        "error": (source.io_error or source.sql_error) if source else "",
        "errno": (source.io_errno or source.sql_errno) if source else 0,
        "stopped_io_at_term": report.fenced_at,
        "intact": report.seen.is_intact,
        "account": report.account,
    }


STUCK_S = 3.0
"""A loop that has not looked for so long knows nothing of its member: a volume that hangs stops it, too."""


class Board:
    """sequence: counts the states that differ in what somebody waits for. looked_ago_s: how old what the loop knows is."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state: State = {}
        self._sequence = 0
        self._looked = self._published = time.monotonic()

    def beat(self) -> None:
        """The loop has come round."""
        self._looked = time.monotonic()

    def publish(self, state: State) -> None:
        with self._changed:
            if _loud(state) != _loud(self._state):
                self._sequence += 1
                self._changed.notify_all()
            self._state, self._published = state, time.monotonic()
        self.beat()

    def read(self, after: int = -1, wait_s: float = 0.0, is_given_up: Callable[[], bool] = lambda: False) -> State:
        """At once when there is news after that sequence, else after so long as it is then.

        Sooner when the loop begins to be stuck meanwhile, and for one who has given up waiting, which is asked each time that this is seen.
        """
        now = time.monotonic()
        end, was_stuck = now + wait_s, self._is_stuck(now)
        with self._changed:
            while self._sequence <= after and now < end and (was_stuck or not self._is_stuck(now)) and not is_given_up():
                self._changed.wait(min(end, (now if was_stuck else self._looked) + STUCK_S) - now)
                now = time.monotonic()
            return {"sequence": self._sequence, "looked_ago_s": round(now - self._looked, 2), **self._state, **self._silence(now)}

    def _is_stuck(self, now: float) -> bool:
        return now - self._looked >= STUCK_S

    def _silence(self, now: float) -> State:
        """A server that has not answered has not since either, for as long as the loop waits for it."""
        since = self._state.get("unanswered_s")
        return {"unanswered_s": round(since + now - self._published, 1)} if isinstance(since, float) and since else {}


def _loud(state: State) -> State:
    made = {key: value for key, value in state.items() if key not in _QUIET}
    replication = made.get("replication")
    if isinstance(replication, dict):
        made["replication"] = replication | {"lag_s": _lag_step(replication.get("lag_s"))}
    semi_sync = made.get("semi_sync")
    if isinstance(semi_sync, dict):
        made["semi_sync"] = {key: value for key, value in semi_sync.items() if key != "waiting"}
    disk = state.get("disk")
    if isinstance(disk, dict) and disk["size"]:
        made["free"] = disk["free"] * DISK_PARTS // disk["size"]
    return made


def _lag_step(lag_s: object) -> int | None:
    return sum(lag_s > each for each in LAGS_S) if isinstance(lag_s, float) else None
