"""A world of servers, links and operators in which decisions about the primary are carried out, go astray and are cut off.

It has the properties of the real servers that decisions rely on: a commit on a primary that waits for acknowledgements is in its log
before one is there; a replica that starts again has lost what it had received and not applied; a server that is started as a
replica takes back what was not acknowledged, and sometimes its last acknowledged transaction too; an agent obeys no lower term, and
starts what has ended by the order that it holds. A replica that gets another source counts as intact although it has not caught up with it.
"""

import copy
import random
from dataclasses import dataclass, field
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology.decide import decide
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.orders import Order

EPOCH_S = 1_800_000_000.0
TAKE_OVER_S = 5.0


@dataclass
class Transaction:
    """number: of its place in the history. server: where it began. token: unlike every other's."""

    number: int
    server: int
    token: int


@dataclass
class Server:
    """log: applied transactions, those of a primary that wait for an acknowledgement at its end (`waiting`). relay: received only."""

    name: str
    agent: bool = True
    process: str = "absent"
    data: str = "empty"
    log: list[Transaction] = field(default_factory=list)
    relay: list[Transaction] = field(default_factory=list)
    waiting: int = 0
    role: str = "none"
    term: int = 0
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
    reseeded: str = ""
    read_only_since: float | None = None
    order: Order | None = None
    ended_s: float = 0.0

    @property
    def number(self) -> int:
        return int(self.name.rpartition("-")[2]) + 1

    def state(self) -> Object:
        def position(log: list[Transaction]) -> str:
            return f"0-{log[-1].server}-{log[-1].number}" if log else ""

        servers = {each.server: each.number for each in self.log}
        up = self.process == "running"
        return {
            "term": self.term,
            "role": self.role,
            "data": self.data,
            "process": self.process,
            "answers": up,
            "writable": up and self.writable,
            "drained": up and self.drained,
            "gate": up and self.gate,
            "read_only_since": self.read_only_since,
            "reseeded": self.reseeded,
            "told": {"acknowledges": self.order.acknowledges} if self.order else None,
            "gtid": {
                "executed": position(self.log),
                "received": position(self.log + self.relay),
                "state": ",".join(f"0-{server}-{number}" for server, number in servers.items()),
            },
            "semi_sync": {"on": self.semi_sync, "acknowledges": self.acknowledges},
            "replication": {
                "source": f"{self.source}.members" if self.source else "",
                "io": self.io,
                "sql": up and self.role == "replica",
                "lag_s": 0.0,
                "errno": self.errno,
                "stopped_io_at_term": self.fence_term,
                "intact": self.intact,
            },
        }

    def ends(self) -> None:
        self.process = "ended"
        self.io = self.writable = self.gate = self.drained = self.semi_sync = self.acknowledges = self.intact = False
        self.relay = []
        self.fence_term = 0


class Operator:
    """One of the operators: what it has heard, and the instance as it read it last. The first one reads it each time, others may lag."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.heard: dict[str, tuple[float, Object]] = {}
        self.instance = copy.deepcopy(world.instance)

    def listen(self) -> None:
        for server in self.world.servers.values():
            if server.agent and self.world.reaches("operator", server.name):
                self.heard[server.name] = (self.world.now_s, copy.deepcopy(server.state()))

    def read(self) -> None:
        self.instance = copy.deepcopy(self.world.instance)

    def members(self) -> dict[str, Member]:
        found = {}
        for name in self.world.servers:
            at, state = self.heard.get(name, (None, None))
            leaves = int(name.rpartition("-")[2]) >= self.world.instance["spec"]["replicas"] or name in self.world.leaving
            found[name] = Member(name, None if at is None else self.world.now_s - at, state, leaves)
        return found

    def round(self, *, cut_off: float = 0.0) -> None:
        """cut_off: how likely it is killed before each of its writes and orders."""
        for _ in range(6):
            decision = decide(self.instance, self.members(), meta.rfc3339_micro(self.world.now_s))
            status = self.instance.get("status") or {}
            wanted = decision.standing.status()
            if all(status.get(key) == value for key, value in wanted.items()) or (not status and not wanted["term"]):
                break
            if self.world.random.random() < cut_off or not self.world.write(self.instance, wanted):
                return
            self.read()
        for name, order in decision.orders.items():
            if self.world.random.random() < cut_off:
                return
            self.world.tell(name, order)
        self.world.labelled = decision.primary


class World:
    """is_slow: whether replicas receive some of what there is at a time, and not all."""

    def __init__(self, replicas: int, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.now_s = EPOCH_S
        self.instance: Any = {"metadata": {"name": "orders", "resourceVersion": "1"}, "spec": {"replicas": replicas}}
        self.servers = {f"orders-{i}": Server(f"orders-{i}") for i in range(replicas)}
        self.cut: set[frozenset[str]] = set()
        self.leaving: set[str] = set()
        self.acknowledged: list[Transaction] = []
        self.is_slow = False
        self.labelled = ""
        self.tokens = 0
        self.operators = [Operator(self)]

    def reaches(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self.cut

    def write(self, read: Object, status: Object) -> bool:
        """With the lock that the API's resourceVersion is."""
        if read["metadata"]["resourceVersion"] != self.instance["metadata"]["resourceVersion"]:
            return False
        self.instance["status"] = {**self.instance.get("status", {}), **copy.deepcopy(status)}
        self.instance["metadata"]["resourceVersion"] = str(int(self.instance["metadata"]["resourceVersion"]) + 1)
        return True

    @property
    def status(self) -> Any:
        return self.instance.get("status") or {}

    @property
    def primary(self) -> Server:
        return self.servers[self.status["primary"]]

    def grow(self, replicas: int) -> None:
        self.instance["spec"]["replicas"] = replicas
        self.instance["metadata"]["resourceVersion"] += "0"
        for i in range(replicas):
            self.servers.setdefault(f"orders-{i}", Server(f"orders-{i}"))

    def ask(self, **spec: Any) -> None:
        self.instance["spec"].update(spec)
        self.instance["metadata"]["resourceVersion"] += "0"

    # What agents do.

    def tell(self, name: str, order: Order) -> None:
        server = self.servers[name]
        before = (server.term, server.order.step if server.order else 0)
        if server.agent and self.reaches("operator", name) and (order.term, order.step) >= before:
            server.order = order
            self._obey(server, order)

    def _go_on(self) -> None:
        """Agents start again by the order that they hold what has ended; a primary that waits for acknowledgements only after a while."""
        for server in self.servers.values():
            order = server.order
            if not server.agent or order is None or server.process == "running" or order.term < server.term:
                continue
            if order.role == "replica" or not order.semi_sync or self.now_s - server.ended_s >= TAKE_OVER_S:
                self._obey(server, order)

    def _obey(self, server: Server, order: Order) -> None:
        server.term = order.term
        if order.reseed and order.reseed != server.reseeded:
            server.ends()
            server.log, server.data, server.reseeded, server.role, server.errno = [], "empty", order.reseed, "none", 0
        if server.data == "empty" and not self._seeded(server, order):
            return
        {"primary": self._be_primary, "replica": self._be_replica, "stopped": self._be_stopped}[order.role](server, order)

    def _seeded(self, server: Server, order: Order) -> bool:
        if order.seed == "empty":
            server.data = "ready"
        elif order.seed == "clone":
            donor = self.servers[order.donor]
            if donor.process == "running" and self.reaches(server.name, donor.name):
                server.log, server.data = list(donor.log[: len(donor.log) - donor.waiting]), "ready"
        return server.data == "ready"

    def _be_primary(self, server: Server, order: Order) -> None:
        if server.process != "running":
            server.process, server.waiting = "running", 0
        if server.role == "replica" or server.relay:
            if order.promote_after and not self._has(server, order.promote_after):
                return
            server.log += server.relay
            server.relay = []
        server.role, server.source, server.io, server.semi_sync = "primary", "", False, order.semi_sync
        server.gate = False
        server.drained = order.drain and server.waiting == 0
        if server.drained and server.writable:
            server.read_only_since = self.now_s
        server.writable = not order.drain
        server.fence_term = 0
        if not order.semi_sync:
            self._complete(server)

    def _has(self, server: Server, position: str) -> bool:
        number = int(position.rpartition("-")[2])
        return bool(server.log + server.relay) and (server.log + server.relay)[-1].number >= number

    def _complete(self, server: Server) -> None:
        """Semi-synchronous replication is off: what waited is acknowledged."""
        for transaction in server.log[len(server.log) - server.waiting :]:
            self._acknowledge(server, transaction)
        server.waiting = 0

    def _be_replica(self, server: Server, order: Order) -> None:
        if server.role == "primary" and not order.graceful and server.process == "running":
            server.ends()
        if server.process != "running":
            self._starts_as_replica(server)
        server.role, server.writable, server.drained, server.gate = "replica", False, False, order.gate
        server.acknowledges = order.acknowledges
        if not order.source:
            server.io, server.fence_term = False, order.term
        elif server.source != order.source or server.fence_term:
            server.source, server.fence_term, server.io = order.source, 0, False

    def _starts_as_replica(self, server: Server) -> None:
        lost = server.waiting
        if server.role == "primary" and not lost and server.log:
            lost = self.random.choice([0, 1])
        server.log = server.log[: len(server.log) - lost]
        server.process, server.waiting, server.relay, server.intact = "running", 0, [], False

    def _be_stopped(self, server: Server, order: Order) -> None:
        if server.process == "running":
            waited = server.waiting
            server.ends()
            server.waiting = waited

    # What servers do by themselves.

    def replicate(self) -> None:
        for server in self.servers.values():
            source = self.servers.get(server.source)
            if server.process != "running" or server.role != "replica" or source is None or server.fence_term:
                server.io = False
                continue
            server.io = source.process == "running" and source.role != "none" and self.reaches(server.name, source.name)
            if server.io:
                self._receive(server, source)
        for server in self.servers.values():
            self._apply(server)

    def _receive(self, server: Server, source: Server) -> None:
        mine = server.log + server.relay
        if [each.token for each in source.log[: len(mine)]] != [each.token for each in mine]:
            server.io, server.errno = False, 1236
            return
        server.errno = 0
        coming = source.log[len(mine) :]
        come = coming[: self.random.randint(0, len(coming))] if self.is_slow else coming
        server.relay += come
        if come == coming:
            server.intact = True
        if server.acknowledges:
            self._acknowledged_by(server, source)

    def _acknowledged_by(self, server: Server, source: Server) -> None:
        """What waited and has been received; a primary waits for one replica only."""
        left = len(source.log) - len(server.log) - len(server.relay)
        for transaction in source.log[len(source.log) - source.waiting : len(source.log) - left]:
            self._acknowledge(source, transaction)
        source.waiting = min(source.waiting, left)

    def _acknowledge(self, source: Server, transaction: Transaction) -> None:
        ahead = [each for each in self.servers.values() if each.term > source.term and each.writable and each.process == "running"]
        assert not ahead, f"{source.name} of term {source.term} acknowledges while {ahead[0].name} of term {ahead[0].term} accepts writes"
        self.acknowledged.append(transaction)

    def _apply(self, server: Server) -> None:
        """Some of what was received."""
        if server.process == "running" and server.role == "replica":
            count = self.random.randint(0, len(server.relay))
            server.log += server.relay[:count]
            server.relay = server.relay[count:]

    # What happens to them.

    def insert(self, name: str) -> None:
        """A client that reaches this server writes."""
        server = self.servers[name]
        if server.process != "running" or not server.writable:
            return
        self.tokens += 1
        server.log.append(Transaction(server.log[-1].number + 1 if server.log else 1, server.number, self.tokens))
        if server.semi_sync:
            server.waiting += 1
        else:
            self._acknowledge(server, server.log[-1])

    def kill_server(self, name: str) -> None:
        server = self.servers[name]
        if server.process == "running":
            waited = server.waiting
            server.ends()
            server.waiting, server.ended_s = waited, self.now_s

    def kill_pod(self, name: str) -> None:
        self.kill_server(name)
        self.servers[name].agent = False
        self.servers[name].order = None

    def pod_returns(self, name: str) -> None:
        server = self.servers[name]
        if not server.agent:
            server.agent = True
            server.process = "absent"

    def cut_off(self, name: str) -> None:
        """From everything but its clients."""
        self.cut |= {frozenset((name, other)) for other in (*self.servers, "operator") if other != name}

    def heal(self) -> None:
        self.is_slow = False
        self.cut.clear()
        for name in self.servers:
            self.pod_returns(name)

    def pass_time(self, seconds: float = 0.5, *, cut_off: float = 0.0) -> None:
        self.now_s += seconds
        self._go_on()
        self.replicate()
        for operator in self.operators:
            operator.listen()
            if operator is self.operators[0] or self.random.random() < 0.5:
                operator.read()
            operator.round(cut_off=cut_off)
        self.replicate()

    def settle(self, rounds: int = 40) -> None:
        for _ in range(rounds):
            self.pass_time()

    def lost(self) -> list[Transaction]:
        """Acknowledged transactions that the primary has not."""
        there = {each.token for each in self.primary.log + self.primary.relay}
        return [each for each in self.acknowledged if each.token not in there]

    def write_some(self, count: int = 5) -> None:
        for _ in range(count):
            for name in self.servers:
                self.insert(name)
            self.replicate()
