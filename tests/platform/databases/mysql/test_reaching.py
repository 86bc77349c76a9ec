"""The talk with agents that lie, or take an order and do not answer."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from pilothouse.aio.tasks import within
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names, tls
from pilothouse.platform.databases.mysql.agents import Place
from pilothouse.platform.databases.mysql.observer import BETWEEN_S, REST_S
from pilothouse.platform.databases.mysql.reaching import Reaching
from pilothouse.platform.databases.mysql.topology.member import SILENT_S
from tests.platform.databases.fake_agent import FakeAgent
from tests.platform.databases.mysql.test_agents import INSTANCE

DOCUMENT = b'{"term":1}'
KEY = "default/orders"


def pod(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "uid": f"u-{name}"}}


class Talk:
    """With the members of one instance, all of whose agents are heard."""

    def __init__(self, reaching: Reaching, root: tls.Files, agents: Mapping[str, FakeAgent], changes: list[str]) -> None:
        self.reaching = reaching
        self.root = root
        self.agents = agents
        self.changes = changes
        self.pods = {name: pod(name) for name in agents}

    def state(self, name: str) -> Object:
        return dict(self.reaching.member(KEY, name, self.pods[name]).state or {})

    async def until(self, name: str, sequence: int) -> None:
        await until(lambda: self.state(name).get("sequence") == sequence, f"news of {name}")

    async def rest(self) -> None:
        """Until each agent may wait for long."""
        self.reaching.settle(KEY)
        await until(lambda: all(agent.waits_s[-1] >= REST_S[0] for agent in self.agents.values()), "rest")

    async def look(self) -> None:
        """As a round begins."""
        await self.reaching.watch(KEY, self.pods, self.root)


async def until(holds: Callable[[], bool], what: str) -> None:
    async def held() -> None:
        while not holds():
            await asyncio.sleep(0.02)

    await within(10, held(), what)


@asynccontextmanager
async def talk(folder: Path, *members: str) -> AsyncIterator[Talk]:
    root = tls.new_root(INSTANCE, time.time())
    files = tls.of_members(INSTANCE, root, time.time())
    agents = {name: FakeAgent(name, "u-1", files, folder / name, []) for name in members}

    def place(found: Object) -> Place:
        name = meta.name(found)
        return Place(name, "127.0.0.1", names.member_host(name, "default"), agents[name].port)

    changes: list[str] = []
    reaching = Reaching(changes.append, place, calm_s=0.0)
    async with AsyncExitStack() as stack:
        for agent in agents.values():
            await stack.enter_async_context(agent.serving())
        stack.push_async_callback(reaching.close)
        found = Talk(reaching, root, agents, changes)
        await found.look()
        for name in members:
            await found.until(name, 1)
        yield found


async def test_what_a_member_said_before_is_kept_beside_its_last_word(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        agent = found.agents["orders-0"]
        await asyncio.sleep(BETWEEN_S)  # words that come sooner are one
        agent.change(term=7)
        await until(lambda: found.state("orders-0").get("term") == 7, "news")
        earlier = found.reaching.member(KEY, "orders-0", found.pods["orders-0"]).earlier
        assert earlier is not None
        assert earlier.term != 7


async def test_an_agent_that_says_what_cannot_be_is_silent_and_heard_again_when_it_is_mended(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        liar = found.agents["orders-0"]
        whole, heard = dict(liar.state), found.state("orders-0")
        liar.change(term="x", semi_sync="y", role="primary")
        asked = len(liar.waits_s)
        await until(lambda: len(liar.waits_s) > asked + 1, "two answers that cannot be")
        assert found.state("orders-0") == heard
        liar.state = whole
        liar.change(sequence=7)
        await found.until("orders-0", liar.state["sequence"])


async def test_agents_that_stall_an_order_hold_up_nobody(tmp_path: Path) -> None:
    stalling = [f"orders-{ordinal}" for ordinal in range(8)]
    async with talk(tmp_path, *stalling, "orders-8") as found:
        for name in stalling:
            found.agents[name].stalls = True
        began = time.monotonic()
        found.reaching.tell(KEY, found.pods, dict.fromkeys(found.pods, DOCUMENT))
        assert time.monotonic() - began < 0.2
        await until(lambda: found.agents["orders-8"].received == [DOCUMENT], "an order")


async def test_of_the_orders_that_wait_for_one_that_stalls_the_newest_alone_is_sent(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0") as found:
        agent = found.agents["orders-0"]
        agent.stalls = True
        found.reaching.tell(KEY, found.pods, {"orders-0": b"1"})
        await until(lambda: agent.received == [b"1"], "the first order")
        for document in (b"1", b"2", b"3"):
            found.reaching.tell(KEY, found.pods, {"orders-0": document})
        agent.stalls = False
        await until(lambda: len(agent.received) > 1, "the next order")
        assert agent.received == [b"1", b"3"]


async def test_members_at_rest_tell_at_once_what_is_new(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        await found.rest()
        found.agents["orders-1"].change(error="it has one")
        await found.until("orders-1", 2)


async def test_what_members_said_before_they_rested_proves_nothing(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1", "orders-2") as found:
        await found.rest()
        for name, agent in found.agents.items():
            agent.state["gtid"] = {"executed": f"0-1-{name[-1]}"}
        await found.look()
        assert found.reaching.is_blind(KEY)
        await until(lambda: not found.reaching.is_blind(KEY), "words of all")
        assert [found.state(name)["gtid"] for name in found.pods] == [{"executed": f"0-1-{ordinal}"} for ordinal in range(3)]


async def test_news_of_one_rouse_the_others(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        await found.rest()
        found.agents["orders-0"].state["gtid"] = {"executed": "0-1-9"}
        found.agents["orders-1"].change(error="it has one")
        await until(lambda: found.state("orders-0").get("gtid") == {"executed": "0-1-9"}, "the other's position")


async def test_one_that_is_roused_and_says_nothing_holds_the_others_up_until_it_counts_as_silent(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        await found.rest()
        found.agents["orders-0"].silent = True
        began = time.monotonic()
        await found.look()
        await until(lambda: not found.reaching.is_blind(KEY), "silence")
        assert time.monotonic() - began >= SILENT_S
        heard = [found.reaching.member(KEY, name, found.pods[name]).is_heard for name in found.pods]
        assert heard == [False, True]
        assert found.changes.count(KEY) > 0


async def test_positions_of_members_at_rest_are_told_now_and_then(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0") as found:
        await found.rest()
        agent, before = found.agents["orders-0"], len(found.changes)
        agent.state["gtid"] = {"executed": "0-1-9"}
        agent.answer()
        await until(lambda: len(found.changes) > before, "a round")


@pytest.mark.skipif(os.geteuid() != 0, reason="drops packets, which needs root")
async def test_a_member_at_rest_whose_packets_are_lost_is_silent_as_soon_as_any_other(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        await found.rest()
        began, before = time.monotonic(), len(found.changes)
        with lost(found.agents["orders-0"].port):
            await until(lambda: len(found.changes) > before and not found.reaching.is_blind(KEY), "silence")
            assert SILENT_S - 1.0 < time.monotonic() - began < 2 * SILENT_S - 0.5
            heard = [found.reaching.member(KEY, name, found.pods[name]).is_heard for name in found.pods]
            assert heard == [False, True]


@contextmanager
def lost(port: int) -> Iterator[None]:
    """What is sent to that port of this machine, and from it."""
    table = f"lost_{port}"
    rules = f"type filter hook input priority -300; tcp dport {port} drop; tcp sport {port} drop;"
    nft(f"table inet {table} {{\nchain input {{ {rules} }}\n}}\n")
    try:
        yield
    finally:
        nft(f"delete table inet {table}")


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True, timeout=10)
