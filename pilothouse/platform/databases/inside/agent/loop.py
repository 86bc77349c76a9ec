"""The agent's own thread: looks, plans one step, carries it out, tells; again at once after a step, else when something has changed."""

import signal
import threading
import time
from collections.abc import Callable

from pilothouse.platform.databases.inside.agent import dialects, disk, errors
from pilothouse.platform.databases.inside.agent.carry import ASKED_EACH_S, Carrier
from pilothouse.platform.databases.inside.agent.gtid import own
from pilothouse.platform.databases.inside.agent.hold import Hold
from pilothouse.platform.databases.inside.agent.https.tls import Tls
from pilothouse.platform.databases.inside.agent.job import Job
from pilothouse.platform.databases.inside.agent.marks import Marks
from pilothouse.platform.databases.inside.agent.memory import Memory
from pilothouse.platform.databases.inside.agent.objects.keeper import Keeper
from pilothouse.platform.databases.inside.agent.observe import Observer
from pilothouse.platform.databases.inside.agent.plan import Do, Step, next_step
from pilothouse.platform.databases.inside.agent.plan import Memory as Known
from pilothouse.platform.databases.inside.agent.process import Process
from pilothouse.platform.databases.inside.agent.program import Program
from pilothouse.platform.databases.inside.agent.report import Report as ReceivedReport
from pilothouse.platform.databases.inside.agent.seed import choose
from pilothouse.platform.databases.inside.agent.seed.pushed import Pushed
from pilothouse.platform.databases.inside.agent.seen import Seen
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.state import Board, Report, document
from pilothouse.platform.databases.inside.agent.upkeep import Upkeep
from pilothouse.platform.databases.inside.agent.wanted import Wanted, source_digest

STEADY_S = 0.5
"""Between looks while all is as wanted."""
ALONE_S, GLANCE_S = 2.0, 0.5
"""Between those at a server without replicas, where nobody waits to take over: its end is told by the kernel. Meanwhile there is a glance
at the volume, which costs a fiftieth and may be filled in that time."""
BUSY_S = 0.02
"""Between looks while something is waited for, at the least."""
PATIENCE = 0.02
"""The part of the time that has been waited until the next look."""
WATCHED_S = 0.1
"""Between looks while the volume is nearly full."""
WAITING_S = 0.1
"""Between looks while there is no server, for an order or for its container."""
DRAINING_S = 0.003
"""Between two looks for idle sessions to end."""
FOLLOWING_S = 0.005
"""After the step that follows another server, which may wait for that one's answer first."""
AGAIN_S = 1.0
"""After a step that failed."""

_PAUSES = {Do.DISCARD: WAITING_S, Do.START: BUSY_S, Do.END_IDLE: DRAINING_S, Do.FOLLOW: FOLLOWING_S}


def _is_alone(wanted: Wanted | None) -> bool:
    return wanted is not None and wanted.role == "primary" and not wanted.semi_sync and not wanted.drain


class Loop:
    """program: the agent's own. copying: held while a copy of the data is being sent."""

    def __init__(self, settings: Settings, program: Program) -> None:
        self._settings = settings
        self._program = program
        self._dialect = dialects.of(settings.flavour)
        self._wake = threading.Event()
        self._order = threading.Lock()
        self._wanted: Wanted | None = None
        self._draining_since: float | None = None
        self._waiting = ("", 0.0)
        self._job: Job | None = None
        self._job_error = ""
        self._memory = Memory(settings.memory)
        self._marks = Marks(settings.run)
        self._process = Process(settings.run, self._wake.set)
        self._sql = Sql(settings.socket, settings.user, keeps_spare=True)
        self._carrier = Carrier(settings, self._process, self._sql, self._marks, self._memory, self._wake.set)
        self._observer = Observer(settings, self._process, self._sql, self._marks, self._wake.set)
        self._keeper = Keeper(settings, self._wake.set)
        self._report = ReceivedReport(self._dialect, settings.tls, self._wake.set)
        self._upkeep = Upkeep(settings, self._wake.set)
        self._hold = Hold(settings.run)
        self._is_settled = False
        self._halted = ""
        self.copying = threading.Lock()
        self.pushed = Pushed(settings, self._wake.set)
        self.board = Board()

    @property
    def wanted(self) -> Wanted | None:
        """The order obeyed last."""
        return self._wanted

    def obey(self, wanted: Wanted) -> None:
        """From any thread. Raises Outdated, OSError; the order does not count then."""
        with self._order:
            try:
                self._memory.obey(wanted.term, wanted.step)
            except OSError as error:
                self._halt(wanted, str(error))
                raise
            self._wanted, self._halted = wanted, ""
        self._fence_at_once(wanted)
        self._wake.set()

    def _halt(self, wanted: Wanted, why: str) -> None:
        """A member that cannot keep a fence may not go on without it either: another agent of it would obey an earlier order again."""
        if wanted.term > self._memory.term and wanted.role != "primary":
            self._halted = f"the server is stopped, as its volume does not take the term {wanted.term} ({why})"
            self._process.signal(signal.SIGKILL)
            self._wake.set()

    def _fence_at_once(self, wanted: Wanted) -> None:
        """Not only when the loop comes round to it: it may be waiting for an answer of the very server that must write no more."""
        if wanted.role != "primary" and not wanted.graceful and self._marks.get("mode", self._process.pid()) == "primary":
            self._process.signal(signal.SIGKILL)

    def leave(self) -> None:
        """From any thread, as a signal's handler: the pod is to end, or this container alone."""
        self._hold.leave()
        self._wake.set()

    def run(self, has_looked: Callable[[], None]) -> bool:
        """Until the agent is to end (True), or to start anew with another program (False).

        has_looked: called once there is a first state.
        """
        pause_s = self._round()
        has_looked()
        while not self._hold.is_over(self._process.is_stopping(), self._process.pid()):
            self._rest(pause_s)
            self._wake.clear()
            pause_s = self._round()
            if self._is_at_rest() and self._program.is_replaced():
                return False
        self._sql.close()
        return True

    def _rest(self, pause_s: float) -> None:
        """Until something has changed, the volume is nearly full, or so long."""
        end = time.monotonic() + pause_s
        while (left_s := end - time.monotonic()) > 0 and not self._wake.wait(min(left_s, GLANCE_S)):
            if pause_s > GLANCE_S and disk.measure(self._settings.data).is_nearly_full:
                return
            self.board.beat()

    def _is_at_rest(self) -> bool:
        return self._is_settled and self._job is None and not self.pushed.doing and not self.copying.locked()

    def _round(self) -> float:
        self.board.beat()
        self._reap()
        wanted = self._wanted
        self._reseeded, seen = self._memory.reseeded, self._observer.look(wanted)
        self._hold.keep(seen)
        self._carrier.note(seen)
        step = self._plan(wanted, seen)
        error, pause_s = step.error, STEADY_S
        if wanted is not None and step.do not in (Do.DONE, Do.WAIT):
            self._tell(wanted, seen, step, error)
            pause_s, error = self._carry(step, wanted, seen, error)
        elif step.do is Do.DONE and wanted is not None and wanted.role == "primary" and not wanted.drain:
            if not self._keeper.see_to(wanted, seen.pid):
                step = Step(Do.WAIT, "seeing to accounts and databases")
            error = error or self._keeper.error
        elif step.do is Do.DONE and wanted is not None and seen.answer is not None:
            self._report.see_to(wanted, seen.answer)
        elif step.do is Do.WAIT:
            pause_s = self._patience_s(step) if seen.pid or seen.has_supervisor != seen.can_start else WAITING_S
        if step.do is not Do.WAIT:
            self._waiting = ("", 0.0)
        if wanted is not None and seen.answer is not None:
            self._upkeep.see_to(wanted.archived, seen.disk)  # also while something is waited for, as for room or for a large backlog
        self._is_settled = step.do in (Do.DONE, Do.WAIT)
        self._tell(wanted, seen, step, error)
        if seen.disk.is_nearly_full and seen.answer is not None:
            return min(pause_s, WATCHED_S)
        return ALONE_S if step.do is Do.DONE and not error and _is_alone(wanted) else pause_s

    def _patience_s(self, step: Step) -> float:
        """Until the next look while something is waited for, as it may be for hours: a small part of the time that has taken."""
        now = time.monotonic()
        if self._waiting[0] != step.doing or not self._waiting[1]:
            self._waiting = (step.doing, now)
        return min(STEADY_S, max(BUSY_S, PATIENCE * (now - self._waiting[1])))

    def _plan(self, wanted: Wanted | None, seen: Seen) -> Step:
        if self._halted:
            self._process.signal(signal.SIGKILL)
            return Step(Do.WAIT, "waiting for room to keep an order", error=self._halted)
        if wanted is None:
            return Step(Do.WAIT, "waiting for an order")
        pid, tuned_for, _ = self._carrier.tuned
        known = Known(
            source=self._followed(seen),
            wanted_source=source_digest(wanted),
            reseeded=self._memory.reseeded,
            has_tls=self._marks.get("tls", seen.pid) == Tls.version_of(self._settings.tls),
            is_tuned=pid == seen.pid and tuned_for == (wanted.server, seen.disk.size),
            draining_s=self._draining_s(wanted),
            clients=self._carrier.clients,
            ended_s=self._carrier.ended_s,
        )
        return next_step(wanted, seen, known)

    def _followed(self, seen: Seen) -> str:
        """The digest of the source that the server was told last; "" when it has written something itself since: compare again."""
        source, answer = self._marks.get("source", seen.pid), seen.answer
        if not source or answer is None or not self._dialect.follows_anybody:
            return source
        return source if self._marks.get("own", seen.pid) == own(answer.executed, answer.binlog_state) else ""

    def _draining_s(self, wanted: Wanted) -> float:
        if not wanted.drain:
            self._draining_since = self._carrier.clients = None
        elif self._draining_since is None:
            self._draining_since = time.monotonic()
        return 0.0 if self._draining_since is None else time.monotonic() - self._draining_since

    def _carry(self, step: Step, wanted: Wanted, seen: Seen, error: str) -> tuple[float, str]:
        """Seconds until the next look, and what went wrong."""
        if step.do is Do.SEED:
            return self._seed(wanted)
        if step.do is Do.START and (wait_s := self._carrier.may_start(time.monotonic())):
            return (BUSY_S if wait_s <= ASKED_EACH_S else WAITING_S), error
        try:
            self._carrier.carry(step.do, wanted, seen)
        except (Unreachable, Refused, OSError) as failure:
            return AGAIN_S, error or f"{step.doing}: {failure}"
        if step.do is Do.CLOSE:
            self._observer.closed_at = time.monotonic()
        again_s = AGAIN_S if error else 0.0
        return _PAUSES.get(step.do, again_s if step.do in (Do.RECEIVE, Do.DRAIN) else 0.0), error

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
        if wanted.seed.kind != "pushed":
            self._job = Job(key, choose.work(self._settings, wanted.seed), self._wake.set)
        return STEADY_S, ""

    def _reap(self) -> None:
        if self._job is not None and self._job.is_over:
            self._job_error, self._job = self._job.error, None

    def _trouble(self, seen: Seen) -> str:
        if seen.stranger:
            return f"another server, the process {seen.stranger}, answers in place of this member's"
        if seen.refusal:
            return f"the server does not let its agent in ({seen.refusal}): end some of its clients' sessions"
        log = self._dialect.error_log, self._settings.error_log
        said = errors.sentence(seen.ended.code, *log) if seen.ended else ""
        return f"{said}; {disk.full(self._settings.instance)}" if said and errors.is_out_of_room(*log) else said

    def _tell(self, wanted: Wanted | None, seen: Seen, step: Step, error: str) -> None:
        job, log = self._job, (self._dialect.error_log, self._settings.error_log)
        pid, tuned_for, tuned = self._carrier.tuned
        report = Report(
            term=wanted.term if wanted else self._memory.term,
            wanted=wanted,
            seen=seen,
            step=step,
            doing=(job.doing if job else "") or self.pushed.doing or step.doing,
            error=error or self._trouble(seen),
            is_seeding=job is not None or bool(self.pushed.doing),
            is_leaving=self._hold.is_leaving,
            fenced_at=self._observer.fenced_at,
            objects=self._keeper.outcomes,
            tuned=tuned if pid == seen.pid else None,
            server=tuned_for[0] if tuned_for and pid == seen.pid else None,
            disk=seen.disk,
            unanswered_s=self._observer.unanswered_s,
            read_only_s=self._observer.read_only_s,
            untruncated=self._carrier.untruncated or (bool(seen.ended and seen.ended.code) and errors.is_untruncated(*log)),
            reseeded=self._reseeded,
            account=self._marks.get("account", seen.pid),
        )
        self.board.publish(document(self._settings, report, self._program.digest))
