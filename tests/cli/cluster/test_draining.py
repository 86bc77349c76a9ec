"""`ph down --drain`, and the node's answer to it."""

from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.cluster.draining import NotDrained, drain, drain_all
from pilothouse.cli.settings.home import Home
from pilothouse.engine.node.streams.server import NodeServer


class Agent:
    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    async def shut_down(self, total_s: int, critical_s: int) -> list[str]:
        self.asked.append((total_s, critical_s))
        return ["default/slow"]


async def test_the_node_is_asked_and_names_what_is_left(tmp_path: Path) -> None:
    server, agent = NodeServer(), Agent()
    played: Any = agent
    server.pods = played
    async with await server.listen(tmp_path / "node.sock"):
        assert await drain(tmp_path / "node.sock", 60) == ["default/slow"]
        assert await drain(tmp_path / "node.sock", 3) == ["default/slow"]
    assert agent.asked == [(60, 10), (3, 1)]


async def test_a_node_without_an_agent_says_so(tmp_path: Path) -> None:
    async with await NodeServer().listen(tmp_path / "node.sock"):
        with pytest.raises(NotDrained, match="the node's agent is not running"):
            await drain(tmp_path / "node.sock", 1)


async def test_a_node_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotDrained, match="the node does not answer: "):
        await drain(tmp_path / "node.sock", 1)


async def test_all_nodes_of_a_machine_are_asked_at_once_and_one_that_is_away_is_told(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("a", "b")]
    played: Any = Agent()
    servers = [NodeServer(), NodeServer()]
    for server in servers:
        server.pods = played
    async with await servers[0].listen(homes[0].node_socket), await servers[1].listen(homes[1].node_socket):
        assert await drain_all(homes, 60) == ["default/slow", "default/slow"]
    async with await servers[0].listen(homes[0].node_socket):
        with pytest.raises(NotDrained):
            await drain_all(homes, 60)
    assert len(played.asked) == 3
