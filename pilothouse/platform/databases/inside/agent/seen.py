"""What the agent sees of its server, as plan and state read it."""

from dataclasses import dataclass

from pilothouse.platform.databases.inside.agent.disk import Disk
from pilothouse.platform.databases.inside.agent.process import Ended


@dataclass(frozen=True, slots=True)
class Replication:
    """Of a server that has a source. io: `Yes`, `Connecting`, `Preparing` or `No`. received: the last whole transaction that it has
    been sent since its start, "" before the first connection. relay_log, relay_position: up to where it has applied.
    log_file, log_position: in the source's log, up to where it has received.
    """

    host: str
    port: int
    by_gtid: bool
    io: str
    sql: bool
    received: str
    has_applied_all: bool
    relay_log: str
    relay_position: int
    log_file: str
    log_position: int
    lag_s: float | None
    io_errno: int
    io_error: str
    sql_errno: int
    sql_error: str

    @property
    def receives(self) -> bool:
        return self.io == "Yes"

    @property
    def is_fenced(self) -> bool:
        return self.io == "No"


@dataclass(frozen=True, slots=True)
class SemiSync:
    """primary, replica: whether each side is switched on. acknowledging: replicas that acknowledge. waiting: commits that wait for one.

    acknowledges: whether this server as a replica does at the moment.
    """

    primary: bool
    replica: bool
    acknowledging: int
    waiting: int
    acknowledges: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a server that answers. executed: the last transaction in its log. binlog_state: the last one of each server in it."""

    version: str
    server_id: int
    read_only: bool
    executed: str
    binlog_state: str
    applied: str
    semi_sync: SemiSync
    replication: Replication | None
    init_connect: str
    sessions: int
    uptime_s: int

    @property
    def is_gated(self) -> bool:
        """Whether new connections wait until the server is writable."""
        return bool(self.init_connect)


@dataclass(frozen=True, slots=True)
class Seen:
    """data: `empty` or `ready`. pid: of the server, 0 when none runs. can_start: the server's container is there and free for one.

    mode: `primary` or `replica`, what the running server was last made; "" when that is not known.
    is_drained: what the running server had received before its start is applied. is_intact: it has all that it ever acknowledged.
    stranger: process that answers on the server's socket and is not the server, else 0.
    has_answered: the running server has, since its start; it may hang by now.
    refusal: what the running server says to the agent in place of an answer, as when its connections are used up; "" otherwise.
    copied_at: position of the copy that the data were made of, "" where they were not. is_full: the volume, so that it takes no writes.
    """

    data: str
    pid: int
    has_supervisor: bool
    can_start: bool
    is_stopping: bool
    ended: Ended | None
    mode: str
    is_drained: bool
    is_intact: bool
    copied_at: str
    has_answered: bool
    stranger: int
    disk: Disk
    is_full: bool
    answer: Answer | None
    refusal: str = ""

    @property
    def process(self) -> str:
        """As the state says it."""
        if self.pid:
            return "running" if self.has_answered else "starting"
        return "ended" if self.ended else "absent"
