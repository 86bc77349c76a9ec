"""Servers with their agents, as the decisions about the primary rely on them.

A commit on a primary that waits for acknowledgements is in its log before one is there; one whose session is killed stays there and was
acknowledged to nobody. A replica that starts again has lost what it had received and not applied, and is not intact until it has caught
up. An old primary that is started as a replica takes back what was not acknowledged, and sometimes its last acknowledged transaction too.
An agent obeys no order of an earlier decision, also when it has been started anew, and starts what has ended by the order that it holds.
"""

import random
from dataclasses import dataclass, field
from typing import Protocol

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology.orders import Order

TAKE_OVER_S = 5.0


@dataclass(frozen=True)
class Transaction:
    """number: of its place in the history. server: where it began, and in which term. token: unlike every other's."""

    number: int
    server: int
    token: int


class Surroundings(Protocol):
    """What servers know of where they are. starts_s, copies_s: how long a start or a copy may take."""

    random: random.Random
    now_s: float
    is_slow: bool
    starts_s: tuple[float, ...]
    copies_s: tuple[float, ...]
    servers: "dict[str, Server]"

    def reaches(self, one: str, other: str) -> bool: ...

    def acknowledge(self, source: "Server", transaction: Transaction) -> None: ...

    def promoted(self, server: "Server") -> None: ...

    def discards(self, server: "Server", request: str) -> None: ...


@dataclass
class Server:
    """log: applied transactions, those of a primary that wait for an acknowledgement at its end (`waiting`). relay: received only.

    is_hung: it does nothing, `unanswered_at` says since when. is_mute: it does all but answer its agent. is_full: its agent cannot keep
    anything. kept: the decision that its agent has obeyed, as its volume has it. up_at: when it has started. purged: so many of its first
    transactions are in its log no more. known: from which on it knows who wrote them, as a copy does not know it of those before.
    """

    name: str
    world: Surroundings
    agent: bool = True
    process: str = "absent"
    data: str = "empty"
    log: list[Transaction] = field(default_factory=list)
    relay: list[Transaction] = field(default_factory=list)
    waiting: int = 0
    role: str = "none"
    kept: tuple[int, int] = (0, 0)
    source: str = ""
    io: bool = False
    intact: bool = False
    acknowledges: bool = False
    semi_sync: bool = False
    writable: bool = False
    drained: bool = False
    gate: bool = False
    fence_term: int = 0
    errno: int = 0
    error: str = ""
    reseeded: str = ""
    closed_at: float | None = None
    order: Order | None = None
    ended_at: float = 0.0
    up_at: float = 0.0
    copied_at: float | None = None
    unanswered_at: float | None = None
    is_hung: bool = False
    is_mute: bool = False
    is_full: bool = False
    led: int = 0
    purged: int = 0
    known: int = 0

    @property
    def number(self) -> int:
        """Of the server in its term: what is written in one begins somewhere else than what is written in another."""
        return self.kept[0] * 16 + int(self.name.rpartition("-")[2]) + 1

    @property
    def term(self) -> int:
        return self.kept[0]

    @property
    def is_up(self) -> bool:
        return self.process == "running" and not self.is_hung

    @property
    def answers(self) -> bool:
        return self.is_up and not self.is_mute

    def state(self) -> Object:
        servers = {each.server: each.number for each in self.log[max(0, self.known - 1) :]}
        return {
            "term": self.term,
            "role": self.role if self.answers else "none",
            "data": "seeding" if self.copied_at is not None else self.data,
            "process": self.process,
            "answers": self.answers,
            "unanswered_s": 0.0 if self.unanswered_at is None else self.world.now_s - self.unanswered_at,
            "writable": self.answers and self.writable,
            "drained": self.answers and self.drained,
            "gate": self.answers and self.gate,
            "read_only_s": None if self.closed_at is None else self.world.now_s - self.closed_at,
            "reseeded": self.reseeded,
            "told": {"acknowledges": self.order.acknowledges, "step": self.order.step} if self.order else None,
            "gtid": {
                "executed": position(self.log),
                "received": position(self.log + self.relay),
                "state": ",".join(f"0-{server}-{number}" for server, number in servers.items()),
            }
            if self.answers
            else None,
            "semi_sync": {"on": self.semi_sync, "acknowledges": self.acknowledges} if self.answers else None,
            "replication": self._replication() if self.answers else None,
        }

    def _replication(self) -> Object:
        return {
            "source": f"{self.source}.members" if self.source else "",
            "io": self.io,
            "sql": self.role == "replica",
            "lag_s": 0.0,
            "errno": self.errno,
            "error": self.error,
            "stopped_io_at_term": self.fence_term,
            "intact": self.intact,
        }

    # What its agent does.

    def told(self, order: Order) -> None:
        """An order arrives, whenever it was sent."""
        if not self.agent or (order.term, order.step) < self.kept:
            return
        if self.is_full and (order.term, order.step) != self.kept:
            if order.term > self.term and order.role != "primary":
                self.ends()
                self.order = None
            return
        self.kept, self.order = (order.term, order.step), order
        self.obey()

    def obey(self) -> None:
        order = self.order
        if not self.agent or order is None:
            return
        if order.role != "primary" and not order.graceful and self.role == "primary" and self.process == "running":
            self.ends()
        if order.role == "stopped":
            self._stop()
        elif order.role == "replica" and order.reseed not in ("", self.reseeded) and order.seed == "clone":
            self._discard(order)
        elif self._has_data(order) and self._runs(order):
            self._be_primary(order) if order.role == "primary" else self._be_replica(order)

    def _stop(self) -> None:
        """Killed, or ended cleanly, which commits what waits."""
        if self.process == "running":
            self.ends()

    def _discard(self, order: Order) -> None:
        self.world.discards(self, order.reseed)
        self.ends()
        self.log, self.data, self.reseeded, self.role, self.errno, self.error = [], "empty", order.reseed, "none", 0, ""
        self.waiting = self.led = self.purged = self.known = 0
        self.source = ""

    def _has_data(self, order: Order) -> bool:
        if self.data == "ready":
            return True
        if order.seed == "empty":
            self.data = "ready"
        elif order.seed == "clone":
            self._copy(order)
        return self.data == "ready"

    def _copy(self, order: Order) -> None:
        """Takes a while, and may break off: what came is worth nothing then."""
        donor, now = self.world.servers[order.donor], self.world.now_s
        if not donor.is_up or donor.data != "ready" or not self.world.reaches(self.name, donor.name):
            self.copied_at = None
        elif self.copied_at is None:
            self.copied_at = now + self.world.random.choice(self.world.copies_s)
        if self.copied_at is not None and self.copied_at <= now:
            self.log, self.data, self.copied_at, self.intact = donor.log[: len(donor.log) - donor.waiting], "ready", None, False
            self.purged = self.known = len(self.log)

    def _runs(self, order: Order) -> bool:
        if self.process == "running":
            return self.answers
        now = self.world.now_s
        waits = order.role == "primary" and order.semi_sync and self.process == "ended" and now - self.ended_at < TAKE_OVER_S
        if self.process != "starting" and not waits:
            self.process, self.up_at, self.unanswered_at = "starting", now + self.world.random.choice(self.world.starts_s), now
        if self.process == "starting" and self.up_at <= now:
            self._start(order)
        return self.answers

    def _start(self, order: Order) -> None:
        """Data that were the primary's take back what waited, and sometimes more, where another one is primary; else they keep it."""
        if order.role == "replica" and order.source and not order.graceful and 0 < self.led < order.term:
            lost = self.waiting or (self.world.random.choice([0, 1]) if self.log else 0)
            self.log = self.log[: len(self.log) - lost]
        self.process, self.waiting, self.role, self.unanswered_at = "running", 0, "replica", None

    def _be_primary(self, order: Order) -> None:
        if order.promote_after and self.role != "primary" and not self._has(order.promote_after):
            return
        self.log += self.relay
        self.relay = []
        was, self.led = self.role, order.term
        self.role, self.source, self.io, self.acknowledges = "primary", "", False, False
        self.semi_sync, self.gate, self.fence_term, self.intact = order.semi_sync, False, 0, True
        self.drained = order.drain and self.waiting == 0
        if self.drained and self.writable:
            self.closed_at = self.world.now_s
        if was != "primary":
            self.world.promoted(self)
        self.writable = not order.drain
        if not order.semi_sync:
            self.complete()

    def _has(self, position: str) -> bool:
        number = int(position.rpartition("-")[2])
        return bool(self.log + self.relay) and (self.log + self.relay)[-1].number >= number

    def complete(self) -> None:
        """Semi-synchronous replication is off: what waited is acknowledged."""
        for transaction in self.log[len(self.log) - self.waiting :]:
            self.world.acknowledge(self, transaction)
        self.waiting = 0

    def _be_replica(self, order: Order) -> None:
        self.role, self.writable, self.drained, self.gate, self.semi_sync = "replica", False, False, order.gate, False
        self.waiting = 0
        self.acknowledges = order.acknowledges
        if not order.source:
            self.io, self.fence_term = False, order.term
        elif self.source != order.source or self.fence_term or self.led:
            self.source, self.fence_term, self.io, self.led, self.errno, self.error = order.source, 0, False, 0, 0, ""

    # What becomes of it.

    def ends(self) -> None:
        """What waited stays in its log; what was received and not applied is gone."""
        self.process, self.ended_at = "ended", self.world.now_s
        self.io = self.writable = self.gate = self.drained = self.semi_sync = self.acknowledges = self.intact = False
        self.is_hung = self.is_mute = False
        self.unanswered_at = None
        self.relay = []
        self.fence_term = 0

    def agent_restarts(self) -> None:
        """It knows what its volume knows, and waits for an order; the server goes on."""
        self.order = None


def position(log: list[Transaction]) -> str:
    return f"0-{log[-1].server}-{log[-1].number}" if log else ""
