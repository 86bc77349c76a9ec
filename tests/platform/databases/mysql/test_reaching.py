"""The talk with agents that lie, or take an order and do not answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pilothouse.aio.tasks import within
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names, tls
from pilothouse.platform.databases.mysql.agents import Place
from pilothouse.platform.databases.mysql.reaching import Reaching
from tests.platform.databases.fake_agent import FakeAgent
from tests.platform.databases.mysql.test_agents import INSTANCE

DOCUMENT = b'{"term":1}'
KEY = "default/orders"


def pod(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "uid": f"u-{name}"}}


class Talk:
    """With the members of one instance, all of whose agents are heard."""

    def __init__(self, reaching: Reaching, agents: Mapping[str, FakeAgent], changes: list[str]) -> None:
        self.reaching = reaching
        self.agents = agents
        self.changes = changes
        self.pods = {name: pod(name) for name in agents}

    def state(self, name: str) -> Object:
        return dict(self.reaching.member(KEY, name, self.pods[name]).state or {})

    async def until(self, name: str, sequence: int) -> None:
        async def heard() -> None:
            while self.state(name).get("sequence") != sequence:
                await asyncio.sleep(0.02)

        await within(10, heard(), f"news of {name}")


@asynccontextmanager
async def talk(folder: Path, *members: str) -> AsyncIterator[Talk]:
    root = tls.new_root(INSTANCE, time.time())
    files = tls.of_members(INSTANCE, root, time.time())
    agents = {name: FakeAgent(name, "u-1", files, folder / name, []) for name in members}

    def place(found: Object) -> Place:
        name = meta.name(found)
        return Place(name, "127.0.0.1", names.member_host(name, "default"), agents[name].port)

    changes: list[str] = []
    reaching = Reaching(changes.append, place)
    async with AsyncExitStack() as stack:
        for agent in agents.values():
            await stack.enter_async_context(agent.serving())
        stack.push_async_callback(reaching.close)
        found = Talk(reaching, agents, changes)
        await reaching.watch(KEY, found.pods, root)
        for name in members:
            await found.until(name, 1)
        yield found


async def test_an_agent_that_says_what_cannot_be_is_silent_and_heard_again_when_it_is_mended(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0", "orders-1") as found:
        liar = found.agents["orders-0"]
        whole = dict(liar.state)
        liar.change(term="x", semi_sync="y", role="primary")
        await asyncio.sleep(0.5)
        assert found.state("orders-0") == whole
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
        await asyncio.sleep(1.0)
        assert found.agents["orders-8"].received == [DOCUMENT]


async def test_of_the_orders_that_wait_for_one_that_stalls_the_newest_alone_is_sent(tmp_path: Path) -> None:
    async with talk(tmp_path, "orders-0") as found:
        agent = found.agents["orders-0"]
        agent.stalls = True
        found.reaching.tell(KEY, found.pods, {"orders-0": b"1"})
        await asyncio.sleep(0.3)
        for document in (b"1", b"2", b"3"):
            found.reaching.tell(KEY, found.pods, {"orders-0": document})
        agent.stalls = False
        await asyncio.sleep(2.5)
        assert agent.received == [b"1", b"3"]
