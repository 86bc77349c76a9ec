"""How one back end leads to the next, with back ends that keep what they were asked for."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from pilothouse.aio.tasks import Scope, scope
from pilothouse.model.cluster_network import FOLLOWS, Following
from pilothouse.model.json import Object
from pilothouse.network.backends.driver import Driver
from pilothouse.network.backends.seam import BackendFailure, Outcome, Peer, View


@dataclass
class FakeBackend:
    """waits, fails, stays: what it answers to `apply` and `retire`. led: whom it leads to. lives: how many of its tasks run."""

    name: str
    waits: set[str] = field(default_factory=set)
    fails: Exception | None = None
    stays: Exception | None = None
    led: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    lives: int = 0
    retired: int = 0

    def overhead_bytes(self, version: int) -> int:
        return 0

    async def apply(self, view: View) -> Outcome:
        if self.fails is not None:
            raise self.fails
        self.seen = set(view.peers)
        self.led = set(view.led_to) - self.waits
        return Outcome(waiting=frozenset(self.waits & view.led_to.keys()))

    def facts(self) -> Mapping[str, str]:
        return {self.name: "receives" if self.seen else ""}

    async def run(self) -> None:
        self.lives += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.lives -= 1

    async def retire(self) -> None:
        if self.stays is not None:
            raise self.stays
        self.retired += 1
        self.led, self.seen = set(), set()


class Machine:
    """One machine, whose back ends are the same ones however often they are made. others: what the other nodes say that they follow."""

    def __init__(self, tasks: Scope, leave_s: float) -> None:
        self.a, self.b, self.c = (FakeBackend(name) for name in "abc")
        makers = {each.name: lambda each=each: each for each in (self.a, self.b, self.c)}  # type: ignore[misc]
        self.driver = Driver(makers, "own", tasks, leave_s=leave_s)
        self.others: dict[str, Following] = {"n2": Following(), "n3": Following()}

    async def step(self, backend: str) -> Outcome:
        peers = {name: Peer(name, (), (), name, _node(name, said)) for name, said in self.others.items()}
        outcome = await self.driver.step(View(None, peers, {"backend": backend, "encryption": "None"}))
        # What runs beside begins.
        await asyncio.sleep(0)
        return outcome

    def all_follow(self, backend: str) -> None:
        self.others = dict.fromkeys(self.others, Following(backend))


def _node(name: str, said: Following) -> Object:
    ready = {"type": "Ready", "status": "True"}
    return {"metadata": {"name": name, "annotations": {FOLLOWS: said.shown()}}, "status": {"conditions": [ready]}}


@asynccontextmanager
async def machines(leave_s: float = 0) -> AsyncIterator[Machine]:
    async with scope() as tasks:
        yield Machine(tasks, leave_s)
        tasks.cancel()


async def test_the_one_before_leads_to_those_alone_whom_the_new_one_does_not_reach() -> None:
    async with machines() as machine:
        await machine.step("a")
        machine.b.waits = {"n3"}
        await machine.step("b")
        assert machine.b.led == {"n2"}
        assert machine.a.led == {"n3"}
        # Of the others it still hears: they may send by it, or be the way to those that it leads to.
        assert machine.a.seen == {"n2", "n3"}


async def test_the_one_before_leads_to_nobody_whom_the_new_one_reaches_while_others_have_not_changed_yet() -> None:
    async with machines() as machine:
        await machine.step("a")
        machine.b.waits = {"n3"}
        await machine.step("b")
        machine.b.waits = set()
        machine.others["n2"] = Following("b")
        await machine.step("b")
        assert (machine.b.led, machine.a.led, machine.a.retired) == ({"n2", "n3"}, set(), 0)


async def test_of_two_before_the_later_one_leads_where_it_can() -> None:
    async with machines() as machine:
        await machine.step("a")
        machine.b.waits = {"n3"}
        await machine.step("b")
        machine.c.waits = {"n2", "n3"}
        await machine.step("c")
        assert (machine.c.led, machine.b.led, machine.a.led) == (set(), {"n2"}, {"n3"})


@pytest.mark.parametrize("failure", [BackendFailure("no"), PermissionError("no")])
async def test_where_the_new_one_fails_the_one_before_leads_to_all(failure: Exception) -> None:
    async with machines() as machine:
        await machine.step("a")
        machine.b.fails = failure
        with pytest.raises(BackendFailure, match="no"):
            await machine.step("b")
        assert machine.a.led == {"n2", "n3"}


async def test_one_that_cannot_be_retired_is_tried_again_and_runs_when_it_is_chosen_again() -> None:
    async with machines() as machine:
        await machine.step("a")
        machine.a.stays = BackendFailure("the kernel is busy")
        machine.all_follow("b")
        await machine.step("b")
        assert machine.driver.left_over == {"a": "the kernel is busy"}
        assert (machine.a.lives, machine.b.lives) == (0, 1)
        await machine.step("a")
        assert (machine.a.lives, machine.driver.left_over) == (1, {})
        machine.a.stays = None
        machine.all_follow("b")
        await machine.step("b")
        assert (machine.a.lives, machine.a.retired, machine.driver.left_over) == (0, 1, {})


async def test_one_that_is_chosen_again_before_it_was_retired_goes_on() -> None:
    async with machines() as machine:
        for name in ("a", "b", "a"):
            await machine.step(name)
        assert (machine.a.lives, machine.b.lives, machine.a.led) == (1, 1, {"n2", "n3"})


async def test_what_is_retired_says_that_it_receives_no_more() -> None:
    async with machines() as machine:
        await machine.step("a")
        # Of those that an earlier process may have left nothing is known until they have been taken away.
        assert machine.driver.facts() == {"a": "receives"}
        await machine.step("b")
        assert machine.driver.facts() == {"a": "receives", "b": "receives"}
        machine.all_follow("b")
        await machine.step("b")
        assert machine.driver.facts() == {"a": "", "b": "receives", "c": ""}


async def test_the_others_hear_that_one_leaves_before_it_is_gone() -> None:
    async with machines(leave_s=60) as machine:
        await machine.step("a")
        machine.all_follow("b")
        await machine.step("b")
        assert (machine.driver.facts()["a"], machine.driver.is_leaving, machine.a.lives, machine.a.retired) == ("", True, 1, 0)
        # Back again before it has gone.
        await machine.step("a")
        assert (machine.driver.facts()["a"], machine.driver.is_leaving, machine.a.lives) == ("receives", False, 1)
        assert machine.b.led == set()
