"""The agent's own thread: looks, plans one step, carries it out, tells; again at once after a step, else when something has changed."""

import threading
import time
from collections.abc import Callable

from pilothouse.platform.databases.inside.agent import errors, look, replication
from pilothouse.platform.databases.inside.agent.carry import DRAINED, Carrier
from pilothouse.platform.databases.inside.agent.job import Job
from pilothouse.platform.databases.inside.agent.marks import Marks
from pilothouse.platform.databases.inside.agent.memory import Memory
from pilothouse.platform.databases.inside.agent.objects.keeper import Keeper
from pilothouse.platform.databases.inside.agent.plan import Do, Step, next_step
from pilothouse.platform.databases.inside.agent.plan import Memory as Known
from pilothouse.platform.databases.inside.agent.process import Process
from pilothouse.platform.databases.inside.agent.seed import choose, copy
from pilothouse.platform.databases.inside.agent.seed.pushed import Pushed
from pilothouse.platform.databases.inside.agent.seen import Answer, Seen
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.state import Board, Report, document
from pilothouse.platform.databases.inside.agent.wanted import Wanted

STEADY_S = 0.5
"""Between looks while all is as wanted."""
BUSY_S = 0.02
"""Between looks while something is waited for."""
AGAIN_S = 1.0
"""After a step that failed."""


class Loop:
    """program: a digest of the agent's own program, for the state."""

    def __init__(self, settings: Settings, program: str) -> None:
        self._settings = settings
        self._program = program
        self._wake = threading.Event()
        self._over = False
        self._order = threading.Lock()
        self._wanted: Wanted | None = None
        self._fenced_at = 0
        self._unanswered_since: float | None = None
        self._read_only_since: float | None = None
        self._job: Job | None = None
        self._job_error = ""
        self._memory = Memory(settings.memory)
        self._marks = Marks(settings.run)
        self._process = Process(settings.run, self._wake.set)
        self._sql = Sql(settings.socket, settings.user)
        self._carrier = Carrier(settings, self._process, self._sql, self._marks, self._memory)
        self.pushed = Pushed(settings, self._wake.set)
        self._keeper = Keeper(settings, self._wake.set)
        self.board = Board()

    def obey(self, wanted: Wanted) -> None:
        """From any thread. Raises Outdated, OSError; the order does not count then."""
        with self._order:
            self._memory.obey(wanted.term)
            self._wanted = wanted
        self._wake.set()

    @property
    def wanted(self) -> Wanted | None:
        """The order obeyed last."""
        return self._wanted

    def end(self) -> None:
        """From any thread: the server is left as it is."""
        self._over = True
        self._wake.set()

    def run(self, has_looked: Callable[[], None]) -> None:
        """has_looked: called once there is a first state."""
        pause_s = self._round()
        has_looked()
        while not self._over:
            self._wake.wait(pause_s)
            self._wake.clear()
            pause_s = self._round()
        self._sql.close()

    def _round(self) -> float:
        self._reap()
        wanted = self._wanted
        seen = self._look(wanted)
        step = self._plan(wanted, seen)
        error, pause_s = step.error, STEADY_S
        if wanted is not None and step.do not in (Do.DONE, Do.WAIT):
            self._tell(wanted, seen, step, error)
            pause_s, error = self._carry(step, wanted, seen, error)
        elif step.do is Do.DONE and wanted is not None and wanted.role == "primary" and not wanted.drain:
            if not self._keeper.see_to(wanted, seen.pid):
                step = Step(Do.WAIT, "seeing to accounts and databases")
            error = error or self._keeper.error
        elif step.do is Do.WAIT:
            pause_s = BUSY_S if seen.pid else STEADY_S
        self._tell(wanted, seen, step, error)
        return pause_s

    def _plan(self, wanted: Wanted | None, seen: Seen) -> Step:
        if wanted is None:
            return Step(Do.WAIT, "waiting for an order")
        known = Known(self._marks.get("source", seen.pid), replication.source_digest(wanted), self._memory.reseeded)
        return next_step(wanted, seen, known)

    def _carry(self, step: Step, wanted: Wanted, seen: Seen, error: str) -> tuple[float, str]:
        """Seconds until the next look, and what went wrong."""
        if step.do is Do.SEED:
            return self._seed(wanted)
        if step.do is Do.START and (wait_s := self._carrier.may_start(time.monotonic())):
            return min(wait_s, STEADY_S), error
        try:
            self._carrier.carry(step.do, wanted, seen)
        except (Unreachable, Refused, OSError) as failure:
            return AGAIN_S, f"{step.doing}: {failure}"
        self._note(step.do, wanted)
        return (BUSY_S if step.do is Do.START else 0.0), error

    def _note(self, do: Do, wanted: Wanted) -> None:
        if do is Do.CLOSE:
            self._read_only_since = time.time()

    def _seed(self, wanted: Wanted) -> tuple[float, str]:
        assert wanted.seed is not None
        key = f"{wanted.seed}"
        if self._job is not None:
            if self._job.key != key:
                self._job.give_up()
            return STEADY_S, ""
        if error := self._job_error:
            self._job_error = ""
            return AGAIN_S, error
        if wanted.seed.kind == "pushed":
            return STEADY_S, ""
        self._job = Job(key, choose.work(self._settings, wanted.seed), self._wake.set)
        return STEADY_S, ""

    def _reap(self) -> None:
        if self._job is not None and self._job.is_over:
            self._job_error, self._job = self._job.error, None

    def _look(self, wanted: Wanted | None) -> Seen:
        process = self._process
        pid = process.pid()
        answer = self._ask() if pid else None
        self._count_silence(pid, answer)
        source = answer.replication if answer else None
        self._fence(wanted, answer)
        return Seen(
            data="ready" if self._settings.mysql.is_dir() else "empty",
            pid=pid,
            has_supervisor=process.has_supervisor(),
            is_stopping=process.is_stopping(),
            ended=None if pid else process.ended(),
            mode=self._carrier.mode(pid),
            is_drained=bool(self._marks.get("drained", pid)),
            is_intact=source is None or self._marks.get("drained", pid) == DRAINED,
            copied_at=copy.position(self._settings) if answer and not answer.executed else "",
            answer=answer,
        )

    def _ask(self) -> Answer | None:
        try:
            return look.look(self._sql)
        except (Unreachable, Refused):
            return None

    def _count_silence(self, pid: int, answer: Answer | None) -> None:
        if not pid or answer is not None:
            self._unanswered_since = None
        elif self._unanswered_since is None:
            self._unanswered_since = time.monotonic()

    def _fence(self, wanted: Wanted | None, answer: Answer | None) -> None:
        """A member receives nothing when its thread for that has ended, or when its server does not run; an order to receive ends it."""
        if wanted is None or wanted.source is not None or wanted.role != "replica":
            self._fenced_at = 0
        elif answer is not None and (answer.replication is None or answer.replication.is_fenced):
            self._fenced_at = wanted.term

    def _why_ended(self, seen: Seen) -> str:
        return errors.sentence(seen.ended.code, self._settings.error_log) if seen.ended else ""

    def _tell(self, wanted: Wanted | None, seen: Seen, step: Step, error: str) -> None:
        job = self._job
        report = Report(
            term=wanted.term if wanted else self._memory.term,
            wanted=wanted,
            seen=seen,
            step=step,
            doing=(job.doing if job else "") or self.pushed.doing or step.doing,
            error=error or self._why_ended(seen),
            is_seeding=job is not None or bool(self.pushed.doing),
            fenced_at=self._fenced_at,
            objects=self._keeper.outcomes,
            unanswered_s=time.monotonic() - self._unanswered_since if self._unanswered_since else 0.0,
            read_only_since=self._read_only_since,
            untruncated=bool(seen.ended and seen.ended.code) and errors.is_untruncated(self._settings.error_log),
        )
        self.board.publish(document(self._settings, report, self._program))
