"""Carries out one step of the plan. Every step may be cut short anywhere: the next look says what is left of it."""

import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pilothouse.platform.databases.inside.agent import configuration, dialects, files, gate, leftovers, tuning
from pilothouse.platform.databases.inside.agent.backoff import Starts
from pilothouse.platform.databases.inside.agent.discarding import Discarding
from pilothouse.platform.databases.inside.agent.disk import Ballast
from pilothouse.platform.databases.inside.agent.gtid import covers, own
from pilothouse.platform.databases.inside.agent.https.tls import Tls
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.marks import Marks
from pilothouse.platform.databases.inside.agent.memory import Memory
from pilothouse.platform.databases.inside.agent.plan import Do
from pilothouse.platform.databases.inside.agent.process import Ended, Process
from pilothouse.platform.databases.inside.agent.seed import copy
from pilothouse.platform.databases.inside.agent.seen import Answer, Seen
from pilothouse.platform.databases.inside.agent.sessions import Sessions
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.source import Has, Source
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable
from pilothouse.platform.databases.inside.agent.tuning import Tuned
from pilothouse.platform.databases.inside.agent.wanted import Server, Wanted, source_digest

DRAINED, LOST = "yes", "lost"
"""What became of all that the server had received before it started, or before it began to follow another source."""
ASKED_EACH_S = 0.3
"""The supervisor is asked for a server no more often; it may have missed it."""
_END_WITHIN_S = 1.0
"""After that the loop looks again, and signals again: what it tells must not get old."""


class Carrier:
    """starts: of the server, so that one that ends again and again is not started without a pause.

    tuned: what became of settings, of the server with that pid, of that description and on a volume of that size.
    clients: sessions that were there when idle ones were ended last, None while that is not being done. untruncated: what nobody has
    acknowledged cannot be taken back.
    """

    def __init__(self, settings: Settings, process: Process, sql: Sql, marks: Marks, memory: Memory, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._dialect = dialects.of(settings.flavour)
        self._source = Source(self._dialect, settings.tls, changed)
        self._process = process
        self._sql = sql
        self._marks = marks
        self._memory = memory
        self.starts = Starts()
        self._asked = self._since = self._ended_at = 0.0
        self._ended: Ended | None = None
        self.tuned: tuple[int, tuple[Server, int] | None, Tuned] = (0, None, Tuned())
        self.clients: int | None = None
        self.untruncated = False
        self._changed = changed
        self._taking_back: Job | None = None
        self._ballast = Ballast(settings.memory / "ballast")
        self._leftovers: Job | None = None
        self._discarding = Discarding(settings, memory)
        self._steps: dict[Do, Callable[[Wanted, Seen], None]] = {
            Do.DISCARD: lambda wanted, seen: self._discarding.see_to(wanted.reseed),
            Do.START: self._start,
            Do.KILL: self._kill,
            Do.STOP: self._stop,
        }
        self._statements: dict[Do, Callable[[Wanted, Seen, Answer], None]] = {
            Do.ADOPT: lambda wanted, seen, answer: self._dialect.replication.adopt(self._sql, seen.copied_at),
            Do.DRAIN: self._drain,
            Do.LEAVE_DRAIN: self._leave_drain,
            Do.SKIP_IN_DRAIN: lambda wanted, seen, answer: self._dialect.replication.skip_in_drain(self._sql),
            Do.GIVE_UP_DRAIN: lambda wanted, seen, answer: self._lose_received(seen.pid),
            Do.STOP_RECEIVING: lambda wanted, seen, answer: self._dialect.replication.stop_receiving(self._sql),
            Do.FOLLOW: self._follow,
            Do.ACKNOWLEDGE: lambda wanted, seen, answer: self._dialect.replication.acknowledge(self._sql, wanted, self._settings.mysql),
            Do.RECEIVE: self._receive,
            Do.DEMOTE: self._demote,
            Do.PROMOTE: self._promote,
            Do.SEMI_SYNC: self._semi_sync,
            Do.OPEN: lambda wanted, seen, answer: self._dialect.replication.open(self._sql),
            Do.CLOSE: lambda wanted, seen, answer: self._dialect.replication.close(self._sql),
            Do.GATE: lambda wanted, seen, answer: gate.close(self._dialect, self._sql),
            Do.LIFT_GATE: lambda wanted, seen, answer: gate.lift(self._sql),
            Do.END_IDLE: self._end_idle,
            Do.RELOAD_TLS: self._reload_tls,
            Do.TUNE: self._tune,
        }

    def carry(self, do: Do, wanted: Wanted, seen: Seen) -> None:
        """Raises Unreachable, Refused, OSError."""
        if do in self._steps:
            self._steps[do](wanted, seen)
        else:
            assert seen.answer is not None
            self._statements[do](wanted, seen, seen.answer)

    def note(self, seen: Seen) -> None:
        """Counts ends of the server, each once. One that answers has started, whatever stood in the way of that before."""
        self.untruncated = self.untruncated and seen.answer is None
        if seen.pid:
            self._since = self._since or time.monotonic()
        elif seen.ended is not None and seen.ended != self._ended:
            self._ended = seen.ended
            self._ended_at = now = time.monotonic()
            self.starts = self.starts.ended(now, ran_s=now - self._since if self._since else 0.0)
            self._since = 0.0

    @property
    def ended_s(self) -> float:
        """Since the last end of the server was noticed, by a clock that nobody sets."""
        return 0.0 if self._ended is None else time.monotonic() - self._ended_at

    def may_start(self, now: float) -> float:
        """Seconds until the server may be started."""
        if self._discarding.is_busy:
            self._discarding.give_up()
            return ASKED_EACH_S
        if self._taking_back is not None and not self._taking_back.is_over:
            return ASKED_EACH_S
        return max(0.0, self.starts.due(now) - now, self._asked + ASKED_EACH_S - now)

    def _start(self, wanted: Wanted, seen: Seen) -> None:
        """As a replica of another primary, data that were the primary's take back at the start what was written and nobody acknowledged.
        A replica's own take nothing back: recovery would cut off what it had acknowledged itself, and those of one that has handed
        over would lose what the other one is to have.
        """
        settings = self._settings
        for name in ("tmp", "log"):
            (settings.data / name).mkdir(exist_ok=True, mode=0o750)
        _empty(settings.data / "tmp")
        self._ballast.drop(seen.disk)
        truncates = configuration.truncates(wanted, self._memory.led)
        if truncates and not self._takes_back(wanted):
            return
        text = configuration.text(self._dialect.options, settings, wanted.server, seen.disk.size, term=wanted.term, truncates=truncates)
        files.write(settings.configuration, text)
        if wanted.role == "primary":
            self._leads(wanted)
        self._process.stop_by("KILL" if wanted.role == "primary" and wanted.semi_sync else "TERM")
        self._marks.prepare("mode", wanted.role)
        self._marks.prepare("tls", Tls.version_of(settings.tls))
        self._asked = time.monotonic()
        self._process.start(self._dialect.program)

    def _takes_back(self, wanted: Wanted) -> bool:
        """False while it is not known what the new primary has. Raises Refused, OSError."""
        if self._dialect.take_back is None:
            return True
        if self._taking_back is None or self._taking_back.key != wanted.digest:
            has = self._has(wanted)
            if has is not None and not has.is_writable:
                raise Refused(0, "its source does not accept writes yet, so it may not have all that it will have")
            if has is not None:
                self._taking_back = Job(wanted.digest, lambda job: self._take_back(wanted.term, has.position), self._changed)
            return False
        job, self._taking_back = self._taking_back, None
        if job.error:
            raise Refused(0, job.error)
        return True

    def _take_back(self, term: int, position: str) -> None:
        """In a thread of its own. Raises Failed, OSError."""
        assert self._dialect.take_back is not None
        try:
            self._dialect.take_back(self._settings, term, position)
            self.untruncated = False
        except ValueError as error:
            self.untruncated = True
            raise Failed(str(error)) from error

    def _has(self, wanted: Wanted) -> Has | None:
        try:
            return self._source.has(wanted)
        except Failed as error:
            raise Refused(0, str(error)) from error

    def _leads(self, wanted: Wanted) -> None:
        self._memory.leads(wanted.term)
        copy.has_caught_up(self._settings)

    def _kill(self, wanted: Wanted, seen: Seen) -> None:
        self._process.signal(signal.SIGKILL)
        self._until_ended()

    def _stop(self, wanted: Wanted, seen: Seen) -> None:
        """A primary whose commits wait is killed: at a clean end they would count as committed, and nobody else has them.

        One that does not answer may be such a primary: when it wakes it would end cleanly.
        """
        if seen.answer is None and self._process.is_stopped_by("KILL"):
            return self._kill(wanted, seen)
        if seen.answer is not None and seen.answer.semi_sync.primary and not seen.answer.read_only:
            try:
                self._dialect.replication.close(self._sql)
            except (Unreachable, Refused):
                return self._kill(wanted, seen)
        self._process.signal(signal.SIGTERM)
        return self._until_ended()

    def _until_ended(self) -> None:
        self._sql.close()
        end = time.monotonic() + _END_WITHIN_S
        while self._process.pid() and time.monotonic() < end:
            time.sleep(0.01)

    def _drain(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        try:
            self._dialect.replication.drain(self._sql, self._settings.mysql, answer)
        except (Refused, OSError, ValueError) as error:
            self._lose_received(seen.pid)
            raise Refused(0, str(error)) from error
        if self._dialect.keeps_received and not self._marks.get("drained", seen.pid):
            self._marks.set("drained", seen.pid, DRAINED)

    def _leave_drain(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        self._dialect.replication.leave_drain(self._sql)
        self._marks.set("drained", seen.pid, DRAINED)

    def _lose_received(self, pid: int) -> None:
        """On the volume first: the server may end before it has caught up, or have no source by then."""
        copy.may_lack(self._settings)
        self._marks.set("drained", pid, LOST)

    def _follow(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        """What was received and cannot be applied is forgotten by the server here."""
        if self._dialect.follows_anybody and not self._is_of_one_history(wanted, answer):
            return
        source = answer.replication
        forgets = source is not None and not covers(answer.executed, source.received)
        if forgets:
            self._lose_received(seen.pid)
        elif not self._marks.get("drained", seen.pid):
            self._marks.set("drained", seen.pid, DRAINED)
        server_id = configuration.server_id(self._settings, wanted.term)
        self._memory.follows()
        self._dialect.replication.follow(self._sql, wanted, answer, server_id, self._settings.tls)
        if self._dialect.follows_anybody:
            self._marks.set("own", seen.pid, own(answer.executed, answer.binlog_state))
        self._marks.set("source", seen.pid, source_digest(wanted))
        self._marks.set("account", seen.pid, wanted.replication.version if wanted.replication else "")

    def _is_of_one_history(self, wanted: Wanted, answer: Answer) -> bool:
        """Whether the source has all that this server has; it has ceased to receive, so that its own position stays.

        One that starts again has applied what it had received, and the source may wait for its acknowledgement of just that.

        False while that is not known. Raises Refused: one that has transactions of its own follows nobody.
        """
        has = self._has(wanted)
        if has is not None and not has.covers(answer.executed):
            more = "" if has.is_writable else " yet"
            raise Refused(0, f"this member has transactions that its source has not{more}: it has {answer.executed}")
        return has is not None

    def _receive(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        """When neither thread runs the server forgets what it has received and not applied."""
        source = answer.replication
        if source is not None and source.is_fenced and not source.sql and not covers(answer.executed, source.received):
            self._lose_received(seen.pid)
        self._dialect.replication.receive(self._sql)

    def _demote(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        self._dialect.replication.demote(self._sql)
        self._leftovers = leftovers.end(self._settings, wanted)
        self._process.stop_by("TERM")
        self._marks.set("mode", seen.pid, "replica")

    def _promote(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        """It counts as the primary before it accepts writes, so that it is never taken for a replica afterwards."""
        self._leads(wanted)
        self._process.stop_by("KILL" if wanted.semi_sync else "TERM")
        self._marks.set("mode", seen.pid, "primary")
        self._marks.forget("source")
        self._marks.forget("account")
        self._dialect.replication.promote(self._sql, answer, configuration.server_id(self._settings, wanted.term))

    def _semi_sync(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        self._dialect.replication.semi_sync(self._sql, wanted.semi_sync)
        self._process.stop_by("KILL" if wanted.semi_sync else "TERM")

    def _end_idle(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        self.clients = Sessions(self._dialect, self._sql, leftovers.own_accounts(self._settings, wanted)).end_idle()

    def _reload_tls(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        version = Tls.version_of(self._settings.tls)
        self._sql.run(self._dialect.reload_tls)
        self._marks.set("tls", seen.pid, version)

    def _tune(self, wanted: Wanted, seen: Seen, answer: Answer) -> None:
        """The file follows: it says afterwards what the server was told."""
        text = configuration.text(self._dialect.options, self._settings, wanted.server, seen.disk.size, term=wanted.term, truncates=False)
        for name in configuration.removed(files.read(self._settings.configuration), text):
            with suppress(Refused):
                self._sql.run(f"SET GLOBAL {name} = DEFAULT")
        values = configuration.online(self._dialect.options, wanted.server, seen.disk.size)
        if wanted.role == "replica" and not answer.semi_sync.replica:
            values.pop("sync_relay_log")  # it counts from when this member acknowledges
        tuned = tuning.tune(self._sql, self._dialect.variables, values)
        files.write(self._settings.configuration, text)
        self._ballast.keep(seen.disk)
        self.tuned = (seen.pid, (wanted.server, seen.disk.size), tuned)


def _empty(place: Path) -> None:
    for entry in place.iterdir():
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
