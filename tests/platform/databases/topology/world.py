"""A world of servers, links and operators in which decisions about the primary are carried out, go astray and are cut off.

As unkind as the real one: answers are old when they are read, each by another time; orders are lost, doubled and late; whatever can end
ends at any moment. What must hold is looked at when it happens: see `acknowledge`, `promoted` and `discards`. See `servers` for the rest.
"""

import copy
import random
from dataclasses import replace
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.stopwatch import Stopwatch
from pilothouse.platform.databases.mysql.topology.decide import decide
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.orders import Order
from pilothouse.platform.databases.mysql.topology.standing import Standing
from tests.platform.databases.topology.servers import Server, Transaction

EPOCH_S = 1_800_000_000.0
LATE_S = (0.2, 1.0, 4.0, 15.0)


class Operator:
    """One of the operators: what it has heard, and the instance as it read it last. The first one reads it each time, others may lag."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.heard: dict[str, tuple[float, Object]] = {}
        self.before: dict[str, tuple[float, Object]] = {}
        self.instance = copy.deepcopy(world.instance)
        self.moves = Stopwatch(lambda: world.now_s)
        self.ahead_s = 0.0

    def listen(self) -> None:
        for server in self.world.servers.values():
            if server.agent and self.world.reaches("operator", server.name) and not self.world.happens(self.world.stale):
                if server.name in self.heard:
                    self.before[server.name] = self.heard[server.name]
                self.heard[server.name] = (self.world.now_s, copy.deepcopy(server.state()))

    def read(self) -> None:
        self.instance = copy.deepcopy(self.world.instance)

    def members(self) -> dict[str, Member]:
        found = {}
        for name in self.world.servers:
            at, state = self.heard.get(name, (None, None))
            leaves = int(name.rpartition("-")[2]) >= self.world.instance["spec"]["replicas"] or name in self.world.leaving
            earlier = None
            if name in self.before:
                before_at, before = self.before[name]
                earlier = Member(name, self.world.now_s - before_at, before, leaves)
            member = Member(name, None if at is None else self.world.now_s - at, state, leaves, earlier=earlier)
            same_s = self.moves.same_s(name, member.is_heard)
            found[name] = member if member.is_heard else replace(member, silent_s=same_s)
        return found

    def moment(self) -> Moment:
        move = Standing.of(self.instance.get("status") or {}).move
        same_s = self.moves.same_s("orders", (move.started_at, move.handed, move.finished_at))
        return Moment(meta.rfc3339_micro(self.world.now_s + self.ahead_s), same_s)

    def round(self, *, cut_off: float = 0.0) -> None:
        """cut_off: how likely it is killed before each of its writes and orders."""
        for _ in range(6):
            decision = decide(self.instance, self.members(), self.moment())
            status = self.instance.get("status") or {}
            wanted = decision.standing.status()
            if all(status.get(key) == value for key, value in wanted.items()) or (not status and not wanted["term"]):
                break
            if self.world.happens(cut_off) or not self.world.write(self.instance, wanted):
                return
            self.read()
        for name, order in decision.orders.items():
            if self.world.happens(cut_off):
                return
            self.world.tell(name, order)
        self.world.labelled = decision.primary


class World:
    """is_slow: whether replicas receive some of what there is at a time, and not all. stale: how likely an answer is not heard, so that
    the one before counts. late: how likely an order comes late, doubled or not at all.
    """

    def __init__(self, replicas: int, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.now_s = EPOCH_S
        self.instance: Any = {"metadata": {"name": "orders", "resourceVersion": "1"}, "spec": {"replicas": replicas}}
        self.servers = {f"orders-{i}": Server(f"orders-{i}", self) for i in range(replicas)}
        self.cut: set[frozenset[str]] = set()
        self.leaving: set[str] = set()
        self.acknowledged: list[Transaction] = []
        self.orders: list[tuple[float, str, Order]] = []
        self.asked: set[str] = set()
        self.is_slow = False
        self.is_forced = False
        self.starts_s: tuple[float, ...] = (0.0,)
        self.copies_s: tuple[float, ...] = (0.0,)
        self.stale = self.late = 0.0
        self.labelled = ""
        self.tokens = 0
        self.operators = [Operator(self)]

    def happens(self, likelihood: float) -> bool:
        return likelihood > 0 and self.random.random() < likelihood

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
        self.ask(replicas=replicas)
        for i in range(replicas):
            self.servers.setdefault(f"orders-{i}", Server(f"orders-{i}", self))

    def ask(self, **spec: Any) -> None:
        self.instance["spec"].update(spec)
        self.instance["metadata"]["resourceVersion"] += "0"
        self.asked.add((spec.get("reseed") or {}).get("at", ""))
        self.is_forced = self.is_forced or bool((spec.get("switchover") or {}).get("force"))

    # What must hold.

    def acknowledge(self, source: Server, transaction: Transaction) -> None:
        """Nobody acknowledges once one of a later term accepts writes."""
        ahead = [each for each in self.servers.values() if each.led > source.led and each.writable and each.is_up]
        assert not ahead, f"{source.name} of term {source.led} acknowledges while {ahead[0].name} of term {ahead[0].led} accepts writes"
        self.acknowledged.append(transaction)

    def promoted(self, server: Server) -> None:
        """A new primary has all that was acknowledged, unless its user has forced the choice. One of an earlier term may begin again."""
        if not self.is_forced and server.led == max(each.led for each in self.servers.values()):
            missing = self.missing(server)
            assert not missing, f"{server.name} becomes primary of term {server.term} without {missing}: {self.status}"

    def discards(self, server: Server, request: str) -> None:
        """Data go without being asked for only when all of them that was acknowledged is at the primary."""
        if request in self.asked:
            return
        mine = {each.token for each in server.log + server.relay} & {each.token for each in self.acknowledged}
        primary = self.servers[self.status["primary"]] if self.status["primary"] else None
        there = {each.token for each in primary.log} if primary is not None else set()
        assert mine <= there, f"{server.name} gives up what {primary and primary.name} has not: {mine - there} ({request})"

    def missing(self, server: Server) -> list[Transaction]:
        there = {each.token for each in server.log + server.relay}
        return [each for each in self.acknowledged if each.token not in there]

    def lost(self) -> list[Transaction]:
        """Acknowledged transactions that the primary has not."""
        return self.missing(self.primary)

    # What goes on by itself.

    def tell(self, name: str, order: Order) -> None:
        """On its way: at once, late, twice or never."""
        if not self.happens(self.late):
            self.orders.append((self.now_s, name, order))
        for _ in range(2 if self.happens(self.late) else 0):
            self.orders.append((self.now_s + self.random.choice(LATE_S), name, order))

    def deliver(self) -> None:
        due = [each for each in self.orders if each[0] <= self.now_s]
        self.orders = [each for each in self.orders if each[0] > self.now_s]
        for _, name, order in due:
            if self.reaches("operator", name):
                self.servers[name].told(order)

    def replicate(self) -> None:
        for server in self.servers.values():
            source = self.servers.get(server.source)
            if not server.is_up or server.role != "replica" or source is None or server.fence_term:
                server.io = False
                continue
            server.io = source.is_up and source.role != "none" and self.reaches(server.name, source.name)
            if server.io:
                self._receive(server, source)
        for server in self.servers.values():
            self._apply(server)

    def _receive(self, server: Server, source: Server) -> None:
        mine = server.log + server.relay
        if [each.token for each in source.log[: len(mine)]] != [each.token for each in mine]:
            server.io, server.errno, server.error = False, 1236, "it is not in the master's binlog"
            return
        if len(mine) < source.purged:
            server.io, server.errno, server.error = False, 1236, "the master has purged binary logs"
            return
        server.errno, server.error = 0, ""
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
            self.acknowledge(source, transaction)
        source.waiting = min(source.waiting, left)

    def _apply(self, server: Server) -> None:
        """Some of what was received."""
        if server.is_up and server.role == "replica":
            count = self.random.randint(0, len(server.relay))
            server.log += server.relay[:count]
            server.relay = server.relay[count:]

    # What happens to them.

    def insert(self, name: str) -> None:
        """A client that reaches this server writes."""
        server = self.servers[name]
        if not server.is_up or not server.writable:
            return
        self.tokens += 1
        number = server.log[-1].number + 1 if server.log else 1
        server.log.append(Transaction(number, server.led * 16 + server.number % 16, self.tokens))
        if server.semi_sync:
            server.waiting += 1
        else:
            self.acknowledge(server, server.log[-1])

    def kill_waiting(self, name: str) -> None:
        """Sessions that wait for an acknowledgement are ended: what they wrote is committed then, and was acknowledged to nobody."""
        self.servers[name].waiting = 0

    def hang(self, name: str, *, mute: bool) -> None:
        server = self.servers[name]
        if server.process == "running" and server.unanswered_at is None:
            server.is_hung, server.is_mute, server.unanswered_at = not mute, mute, self.now_s

    def wake(self, name: str) -> None:
        server = self.servers[name]
        server.is_hung = server.is_mute = False
        if server.process == "running":
            server.unanswered_at = None

    def purge(self, name: str) -> None:
        server = self.servers[name]
        server.purged = max(server.purged, len(server.log) // 2)

    def kill_server(self, name: str) -> None:
        server = self.servers[name]
        if server.process in ("running", "starting"):
            server.ends()

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
        self.stale = self.late = 0.0
        self.cut.clear()
        for name, server in self.servers.items():
            self.pod_returns(name)
            self.wake(name)
            server.is_full = False

    def pass_time(self, seconds: float = 0.5, *, cut_off: float = 0.0) -> None:
        self.now_s += seconds
        for server in self.servers.values():
            server.obey()
        self.deliver()
        self.replicate()
        for operator in self.operators:
            operator.listen()
            if operator is self.operators[0] or self.happens(0.5):
                operator.read()
            operator.round(cut_off=cut_off)
        self.deliver()
        self.replicate()

    def settle(self, rounds: int = 40) -> None:
        for _ in range(rounds):
            self.pass_time()

    def write_some(self, count: int = 5) -> None:
        for _ in range(count):
            for name in self.servers:
                self.insert(name)
            self.replicate()

    def stray(self, name: str, server: int = 9) -> None:
        """A transaction of this member's own, that nobody else has."""
        log = self.servers[name].log
        log.append(replace(log[-1], number=log[-1].number + 1, server=server, token=-1))
