"""Leads a lab's members by the operator's own decisions, without a cluster: what is decided is told, what is written is kept here."""

import hashlib
import json
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.stopwatch import Stopwatch
from pilothouse.platform.databases.mysql.topology.decide import decide
from pilothouse.platform.databases.mysql.topology.member import Member as Sight
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.orders import Order
from pilothouse.platform.databases.mysql.topology.standing import Standing
from tests.platform.databases.lab import UID, Lab, Member, State


class Conductor:
    """status: the instance's. primary: where the Service leads, "" to nobody."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.status: Object = {}
        self.primary = ""
        self.spec: Object = {"replicas": len(lab.members)}
        self._heard: dict[str, tuple[float, State]] = {}
        self._over = threading.Event()
        self._moves = Stopwatch()
        self._threads = [threading.Thread(target=self._listen, args=(member,), daemon=True) for member in lab.members]
        self._threads.append(threading.Thread(target=self._lead, daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def member(self) -> Member | None:
        """The one that clients are led to."""
        return next((member for member in self.lab.members if member.name == self.primary), None)

    def _listen(self, member: Member) -> None:
        after = -1
        while not self._over.is_set():
            try:
                state = member.state(after, wait_s=1)
            except (OSError, HTTPException, AssertionError):
                after = -1
                time.sleep(0.05)
            else:
                after = state["sequence"]
                self._heard[member.name] = (time.monotonic(), self._named(state))

    def _lead(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, HTTPException):
                self._round()
            time.sleep(0.02)

    def _round(self) -> None:
        instance: Object = {"metadata": {"name": "orders", "namespace": "default", "uid": UID}, "spec": self.spec, "status": self.status}
        decision = decide(instance, self._sights(), self._moment())
        self.status = decision.standing.status()
        if decision.orders or not self.status["primary"]:  # else it was about what is to be written first
            self.primary = decision.primary
        for name, order in decision.orders.items():
            self._tell(self._by_name(name), order)

    def _moment(self) -> Moment:
        move = Standing.of(self.status).move
        return Moment(meta.rfc3339(time.time()), self._moves.same_s("orders", (move.started_at, move.handed, move.finished_at)))

    def _sights(self) -> dict[str, Sight]:
        found = {}
        for member in self.lab.members:
            at, state = self._heard.get(member.name, (0.0, None))
            sight = Sight(member.name, time.monotonic() - at if state else None, state)
            same_s = self._moves.same_s(member.name, sight.is_heard)
            found[member.name] = sight if sight.is_heard else replace(sight, silent_s=same_s)
        return found

    def _tell(self, member: Member, order: Order) -> None:
        """Unless it said last that it obeys that already."""
        wanted = member.wanted | order.document() | {"source": self._address(order.source, "sql_port"), "seed": self._seed(order)}
        text = json.dumps(wanted, sort_keys=True, separators=(",", ":"))
        at, state = self._heard.get(member.name, (0.0, {}))
        if state.get("wanted") != hashlib.sha256(text.encode()).hexdigest() and time.monotonic() - at < 3:
            with suppress(AssertionError):
                member.put(**wanted)

    def _seed(self, order: Order) -> Object | None:
        if not order.seed:
            return None
        return {"kind": order.seed, "id": UID} | (self._address(order.donor, "port") or {})

    def _address(self, name: str, port: str) -> Object | None:
        return {"host": "127.0.0.1", "port": getattr(self._by_name(name), port)} if name else None

    def _by_name(self, name: str) -> Member:
        return next(member for member in self.lab.members if member.name == name)

    def _named(self, state: State) -> State:
        """With the source's name, which it has on a cluster: here all have one address and differ by their ports."""
        replication: dict[str, Any] = state.get("replication") or {}
        for member in self.lab.members:
            if member.sql_port == replication.get("port"):
                return state | {"replication": replication | {"source": member.name}}
        return state
