"""On which nodes room is looked for, and for whom."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.scheduler.framework.plugin import Unfit
from pilothouse.engine.scheduler.plugins.default_preemption import DefaultPreemption
from pilothouse.engine.scheduler.plugins.default_preemption.budgets import Budget
from pilothouse.engine.scheduler.plugins.default_preemption.plugin import PreemptionArgs, budgets_of
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from tests.engine.scheduler.objects import World, affinity, node, pod, term


class FakeClient:
    """patched: names of pods and what was written of them."""

    def __init__(self) -> None:
        self.patched: list[tuple[str, Object]] = []

    async def patch(self, resource: Resource, name: str, patch: Object, **where: str) -> Object:
        self.patched.append((name, patch))
        return {}


class Preempting:
    """tried: nodes on which it was tried out. Victims are not told: nobody knows their objects."""

    def __init__(self, known: World, budgets: Sequence[Budget] = (), args: PreemptionArgs | None = None) -> None:
        self.tried: list[str] = []
        self.client = FakeClient()
        self.known = known
        self.plugin = DefaultPreemption(
            known.snapshot, self._trial, lambda: budgets, lambda key: None, cast("Client", self.client), Recorder(None, None, "test"), args
        )

    async def room_for(self, wanted: Object) -> str:
        unfit = self.known.decide(wanted)
        assert isinstance(unfit, Unfit)
        return await self.plugin.post_filter(self.known.snapshot.info(wanted), unfit)

    def _trial(self, pod: PodInfo, node: NodeInfo) -> Callable[[], bool]:
        self.tried.append(node.name)
        return self.known.cycle.trial(pod, node)


def full(count: int, priority: int = 0) -> World:
    names = [f"n{number:04}" for number in range(count)]
    return World(*map(node, names), *(pod(f"on-{name}", on=name, cpu="2", priority=priority) for name in names))


async def test_room_is_made_where_it_helps_and_kept() -> None:
    taint = [{"key": "gpu", "effect": "NoSchedule"}]
    known = World(node("a", taints=taint), node("b"), node("c"), node("d", cpu="1"))
    for name, priority in (("a", 0), ("b", 9), ("c", 1)):
        known.add(pod(f"on-{name}", on=name, cpu="2", priority=priority))
    preempting, wanted = Preempting(known), pod("important", cpu="2", priority=5)
    assert await preempting.room_for(wanted) == "c"
    assert known.snapshot.nominated_node("ns/important") == "c"
    assert preempting.tried.count("a") == preempting.tried.count("d") == preempting.tried.count("b") == 0


async def test_a_pod_that_may_not_preempt_or_is_no_more_important_gets_none() -> None:
    preempting = Preempting(full(3, priority=5))
    assert await preempting.room_for(pod("p", cpu="2", priority=9, preemptionPolicy="Never")) == ""
    assert await preempting.room_for(pod("p", cpu="2", priority=5)) == ""
    assert preempting.tried == []


async def test_a_lesser_pod_that_was_promised_the_room_waits_again() -> None:
    known = World(node("a"), pod("on-a", on="a", cpu="2"))
    preempting = Preempting(known)
    assert await preempting.room_for(pod("middle", cpu="2", priority=5)) == "a"
    assert await preempting.room_for(pod("urgent", cpu="2", priority=9)) == "a"
    assert (known.snapshot.nominated_node("ns/middle"), known.snapshot.nominated_node("ns/urgent")) == ("", "a")
    assert preempting.client.patched == [("middle", {"status": {"nominatedNodeName": None}})]


async def test_as_many_nodes_are_compared_as_the_arguments_say() -> None:
    preempting = Preempting(full(10), args=PreemptionArgs(least=3, percent=0))
    await preempting.room_for(pod("p", cpu="2", priority=5))
    assert len(set(preempting.tried)) == 3


async def test_a_trial_leaves_no_trace() -> None:
    known = full(3)
    before = [(each.generation, dict(each.used), sorted(each.pods)) for each in known.snapshot.existing()]
    version = known.snapshot.version
    assert await Preempting(known).room_for(pod("p", cpu="3", priority=5)) == ""
    assert [(each.generation, dict(each.used), sorted(each.pods)) for each in known.snapshot.existing()] == before
    assert known.snapshot.version == version


async def test_who_keeps_a_pod_away_can_go_for_it() -> None:
    known = World(node("a"), pod("shy", on="a", affinity=affinity(apart=[term()])), pod("other", on="a"))
    wanted = pod("web", labels={"app": "web"}, priority=5)
    assert await Preempting(known).room_for(wanted) == "a"
    near = pod("near", affinity=affinity(near=[term("nobody")]), priority=5)
    assert await Preempting(known).room_for(near) == ""


async def test_budgets_are_kept_where_another_node_will_do() -> None:
    known = World(node("a"), node("b"), pod("x", on="a", cpu="2", labels={"app": "web"}), pod("y", on="b", cpu="2", priority=3))
    protecting = {"metadata": {"namespace": "ns"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": {}}
    assert await Preempting(known, budgets_of([protecting])).room_for(pod("p", cpu="2", priority=5)) == "b"


async def test_a_tenth_of_many_nodes_is_tried_and_others_get_their_turn_meanwhile() -> None:
    preempting, turns = Preempting(full(1200)), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(other())
    assert await preempting.room_for(pod("p", cpu="2", priority=5))
    ticking.cancel()
    assert len(preempting.tried) == 120 + 1
    assert turns > 100


async def test_what_was_looked_for_in_vain_is_not_looked_for_again_until_something_changes() -> None:
    nodes = [f"n{number}" for number in range(3)]
    known = World(*map(node, nodes))
    for name in nodes:
        known.add(pod(f"high-{name}", on=name, cpu="1500m", priority=9))
        known.add(pod(f"low-{name}", on=name, cpu="500m"))
    preempting = Preempting(known)
    tried = []
    for number in range(3):
        assert await preempting.room_for(pod(f"p{number}", cpu="1", priority=5)) == ""
        tried.append(len(preempting.tried))
    known.add(pod("another", on="n0"))
    assert await preempting.room_for(pod("p3", cpu="1", priority=5)) == ""
    assert [*tried, len(preempting.tried)] == [3, 3, 3, 6]


async def test_a_pod_for_which_others_are_on_their_way_out_takes_no_more() -> None:
    known = full(2)
    preempting, wanted = Preempting(known), pod("p", cpu="2", priority=5)
    chosen = await preempting.room_for(wanted)
    going = pod(f"on-{chosen}", on=chosen, cpu="2")
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    known.add(
        going | {"metadata": going["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"conditions": [condition]}}
    )
    tried = len(preempting.tried)
    assert await preempting.room_for(wanted) == chosen
    assert len(preempting.tried) == tried
    assert await preempting.room_for(pod("q", cpu="2", priority=5)) not in ("", chosen)
