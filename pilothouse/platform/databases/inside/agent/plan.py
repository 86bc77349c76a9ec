"""What to do next, of what is wanted and what is seen. Pure; called again after each step, so that every step may fail or be lost."""

from dataclasses import dataclass
from enum import Enum

from pilothouse.platform.databases.inside.agent.disk import sentence
from pilothouse.platform.databases.inside.agent.gtid import covers, later
from pilothouse.platform.databases.inside.agent.seen import Answer, Replication, Seen
from pilothouse.platform.databases.inside.agent.wanted import Wanted


class Do(Enum):
    """WAIT: nothing can be done before something else happens. DONE: all is as wanted."""

    DONE = "done"
    WAIT = "wait"
    SEED = "seed"
    DISCARD = "discard"
    START = "start"
    KILL = "kill"
    STOP = "stop"
    ADOPT = "adopt"
    DRAIN = "drain"
    LEAVE_DRAIN = "leave drain"
    SKIP_IN_DRAIN = "skip in drain"
    GIVE_UP_DRAIN = "give up drain"
    STOP_RECEIVING = "stop receiving"
    FOLLOW = "follow"
    ACKNOWLEDGE = "acknowledge"
    RECEIVE = "receive"
    DEMOTE = "demote"
    PROMOTE = "promote"
    SEMI_SYNC = "semi sync"
    OPEN = "open"
    CLOSE = "close"
    GATE = "gate"
    LIFT_GATE = "lift gate"
    END_IDLE = "end idle"
    RELOAD_TLS = "reload tls"
    TUNE = "tune"


@dataclass(frozen=True, slots=True)
class Step:
    """doing: what is being done or waited for. error: why it can't go on; one sentence."""

    do: Do
    doing: str = ""
    error: str = ""


APPLIED_BEFORE = 1950
"""ER_GTID_STRICT_OUT_OF_ORDER: the server's note of how far it has applied a relay log is some transactions behind after a crash."""
DRAIN_S = 0.5
"""For how long a primary that is to be read only ends idle sessions first."""
DONE = Step(Do.DONE)


TAKE_OVER_S = 5.0
"""How long a primary that has ended leaves it to the operator to have another member take over. Started as a primary it would commit what
nobody has acknowledged, and could follow the other one only with a copy of its data.
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the agent knows besides.

    source: a digest of the source and the account that the server was told last, as `wanted_source` is of those wanted.
    reseeded: the id of the last request for other data that was carried out. has_tls: it serves the certificate that is mounted.
    is_tuned: it has taken the settings that are wanted. draining_s: for how long sessions are being ended; clients: how many there were
    when that was done last, None before. ended_s: since when the last server has ended.
    """

    source: str = ""
    wanted_source: str = ""
    reseeded: str = ""
    has_tls: bool = True
    is_tuned: bool = True
    draining_s: float = 0.0
    clients: int | None = None
    ended_s: float = 0.0


def next_step(wanted: Wanted, seen: Seen, memory: Memory) -> Step:
    if seen.is_stopping:
        return _stopped(seen, graceful=True) if seen.pid else Step(Do.WAIT, "the pod is ending")
    if wanted.role == "stopped":
        return _stopped(seen, wanted.graceful)
    if wanted.role == "replica" and seen.pid and seen.mode != "replica" and not wanted.graceful:
        return Step(Do.KILL, "ending the server, which was the primary")
    if wanted.reseed not in ("", memory.reseeded) and wanted.seed is not None and wanted.seed.kind == "clone":
        return Step(Do.KILL if seen.pid else Do.DISCARD, "giving up this member's data for a copy")
    if seen.data != "ready":
        return Step(Do.SEED) if wanted.seed else Step(Do.WAIT, "waiting to be told where its data come from")
    if not seen.pid:
        if seen.ended and wanted.role == "primary" and wanted.semi_sync and memory.ended_s < TAKE_OVER_S:
            return Step(Do.WAIT, "waiting whether another member takes over")
        return Step(
            Do.START if seen.can_start else Do.WAIT, "starting the server" if seen.has_supervisor else "waiting for the server's container"
        )
    if seen.answer is None:
        return Step(Do.WAIT, "waiting for the server to answer")
    if seen.copied_at and not seen.answer.executed:
        return Step(Do.ADOPT, "going on from where the copy was taken")
    return _primary(wanted, seen, seen.answer, memory) if wanted.role == "primary" else _replica(wanted, seen, seen.answer, memory)


def _stopped(seen: Seen, graceful: bool) -> Step:
    if not seen.pid:
        return DONE
    return Step(Do.STOP if graceful else Do.KILL, "stopping the server")


def _replica(wanted: Wanted, seen: Seen, answer: Answer, memory: Memory) -> Step:
    if seen.mode != "replica":
        return Step(Do.DEMOTE, "becoming a replica") if answer.read_only else Step(Do.CLOSE, "becoming read only")
    draining = _drain(seen, answer)
    if draining is not None:
        return draining
    source = answer.replication
    if wanted.source is None:
        receives = source is not None and not source.is_fenced
        return Step(Do.STOP_RECEIVING, "ceasing to receive") if receives else _settled(wanted, answer, memory)
    if source is None or memory.source != memory.wanted_source or not source.by_gtid:
        return _repoint(answer, source)
    return _following(wanted, answer, source) or _settled(wanted, answer, memory)


def _drain(seen: Seen, answer: Answer) -> Step | None:
    """What the server had received before its start is applied before it follows anybody: it may be all that is left of it."""
    source, doing = answer.replication, "applying what was received before the start"
    if seen.is_drained or source is None:
        return None
    if source.by_gtid and (source.sql or not source.is_fenced):
        return None  # it follows already: the agent was ended before it could note so
    if source.sql and not source.by_gtid:
        return Step(Do.LEAVE_DRAIN if source.has_applied_all else Do.WAIT, doing)
    if not source.by_gtid and source.sql_errno == APPLIED_BEFORE:
        return Step(Do.SKIP_IN_DRAIN, doing)
    return Step(Do.GIVE_UP_DRAIN if source.sql_errno else Do.DRAIN, doing)


def _repoint(answer: Answer, source: Replication | None) -> Step:
    """To another source. What was received from the one before is applied first, as the server forgets it."""
    if source is not None and source.by_gtid:
        if not source.is_fenced:
            return Step(Do.STOP_RECEIVING, "ceasing to receive from the source before")
        if source.sql and not covers(answer.executed, source.received):
            return Step(Do.WAIT, "applying what the source before has sent")
    return Step(Do.FOLLOW, "following the primary")


def _following(wanted: Wanted, answer: Answer, source: Replication) -> Step | None:
    is_catching_up = wanted.acknowledges and not covers(later(source.received, answer.executed), wanted.handed)
    if source.sql and answer.semi_sync.replica != wanted.acknowledges and not is_catching_up:
        return Step(Do.ACKNOWLEDGE, "changing whether it acknowledges")
    if source.is_fenced or not source.sql:
        return Step(Do.RECEIVE, "following the primary", error=_trouble(source))
    if is_catching_up and not answer.semi_sync.replica:
        return Step(Do.WAIT, "receiving what the primary began with", error=source.io_error)
    return None if source.receives else Step(Do.WAIT, "connecting to the primary", error=source.io_error)


def _trouble(source: Replication) -> str:
    return source.io_error or source.sql_error


def _primary(wanted: Wanted, seen: Seen, answer: Answer, memory: Memory) -> Step:
    step = _drain(seen, answer) or _promotion(wanted, seen, answer)
    if step is not None:
        return step
    if answer.semi_sync.primary != wanted.semi_sync:
        return Step(Do.SEMI_SYNC, "changing whether commits wait for an acknowledgement")
    if wanted.drain:
        return DONE if answer.read_only else _giving_up_writes(memory)
    if seen.is_full:
        return Step(Do.WAIT if answer.read_only else Do.CLOSE, error=sentence(seen.disk, wanted.instance))
    if answer.read_only:
        return Step(Do.OPEN, "beginning to accept writes")
    return _settled(wanted, answer, memory)


def _giving_up_writes(memory: Memory) -> Step:
    """Sessions end between two transactions as far as they can in that time; what is left then gets errors."""
    if memory.clients == 0 or memory.draining_s >= DRAIN_S:
        return Step(Do.CLOSE, "becoming read only")
    return Step(Do.END_IDLE, "ending idle sessions")


def _promotion(wanted: Wanted, seen: Seen, answer: Answer) -> Step | None:
    source = answer.replication
    if source is not None and not source.is_fenced:
        if source.by_gtid and not covers(later(source.received, answer.executed), wanted.promote_after):
            return Step(Do.WAIT, f"receiving up to {wanted.promote_after}", error=_trouble(source))
        return Step(Do.STOP_RECEIVING, "ceasing to receive")
    target = later(wanted.promote_after, source.received if source else "")
    if not covers(answer.executed, target):
        return _behind(target, answer, source)
    return Step(Do.PROMOTE, "becoming the primary") if source is not None or seen.mode != "primary" else None


def _behind(target: str, answer: Answer, source: Replication | None) -> Step:
    """It applies what it has; beyond that it must not accept writes."""
    lacks = f"it has the transactions up to {answer.executed or 'none'} and was told to go on from {target}"
    if source is None or (source.by_gtid and not covers(source.received, target)):
        return Step(Do.WAIT, error=lacks)
    doing = f"applying up to {target}"
    if source.sql:
        has_all = not source.by_gtid and source.has_applied_all
        return Step(Do.WAIT, doing, error=lacks if has_all else "")
    if not source.by_gtid and source.sql_errno == APPLIED_BEFORE:
        return Step(Do.SKIP_IN_DRAIN, doing)
    return Step(Do.DRAIN, doing, error=source.sql_error)


def _settled(wanted: Wanted, answer: Answer, memory: Memory) -> Step:
    if wanted.gate != answer.is_gated:
        return Step(Do.GATE, "letting new connections wait") if wanted.gate else Step(Do.LIFT_GATE, "letting new connections in")
    if not memory.has_tls:
        return Step(Do.RELOAD_TLS, "taking a new certificate")
    return DONE if memory.is_tuned else Step(Do.TUNE, "taking new settings")
