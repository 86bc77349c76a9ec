"""The client of the agents: long answers, and what is refused."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import orders, tls
from pilothouse.platform.databases.mysql.agents import MOST_BYTES, AgentError, Agents, Place, context
from pilothouse.platform.databases.mysql.names import member_host
from tests.platform.databases.fake_agent import FakeAgent

INSTANCE: Object = {"metadata": {"name": "orders", "namespace": "default", "uid": "u-1"}}


@asynccontextmanager
async def asked(folder: Path, **state: object) -> AsyncIterator[Object]:
    """What an agent with that in its state answers."""
    root = tls.new_root(INSTANCE, time.time())
    files = tls.of_members(INSTANCE, root, time.time())
    agents = Agents()
    try:
        async with FakeAgent("orders-0", "u-1", files, folder, []).serving() as agent:
            agent.change(**state)
            place = Place("orders-0", "127.0.0.1", member_host("orders-0", "default"), agent.port)
            yield await agents.state(place, context(root, time.time()), -1, 1)
    finally:
        await agents.close()
        await asyncio.sleep(0)


def objects(size: int) -> Object:
    return {f"account/user-{number:05}": {"version": "1", "error": "x" * 60} for number in range(size // 100)}


async def test_an_answer_of_many_parts_is_read_as_a_whole(tmp_path: Path) -> None:
    wanted = objects(2 << 20)
    async with asked(tmp_path, objects=wanted) as found:
        assert found["objects"] == wanted


async def test_an_answer_that_is_too_long_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="the agent of orders-0 answers with more than 8 MiB"):
        async with asked(tmp_path, objects={"account/a": {"version": "1", "error": "x" * MOST_BYTES}}):
            pass


def test_a_role_is_told_however_many_accounts_there_are() -> None:
    document = {"role": "primary", "term": 3, "databases": [], "dropped": [], "accounts": [{"name": f"user-{n}"} for n in range(60_000)]}
    text, beyond = orders.fitting(document)
    assert text == orders.encoded(document | {"accounts": []})
    assert "60000 accounts, 0 databases" in beyond
    assert "1,048,576" in beyond


def test_a_document_that_fits_is_sent_as_it_is() -> None:
    document = {"role": "primary", "term": 3, "databases": [], "dropped": [], "accounts": [{"name": "user"}]}
    assert orders.fitting(document) == (orders.encoded(document), "")


async def test_a_state_without_a_number_where_one_belongs_is_no_state(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="sequence or term is no number"):
        async with asked(tmp_path, term="x"):
            pass
