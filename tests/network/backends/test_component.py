"""A node's back ends on a machine whose program ip answers as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.transport import Call
from pilothouse.model.cluster_network import CLUSTERNETWORKS, FOLLOWS
from pilothouse.model.errors import Unavailable
from pilothouse.model.kinds import NODES
from pilothouse.network.backends import BackendConfig, NodeBackends
from tests.network.cluster import FakeCluster

IP = """#!/bin/sh
# Fails where a file stands that is named as one of its words.
for word; do
  if [ -e "$(dirname "$0")/fails-$word" ]; then echo "RTNETLINK answers: Cannot allocate memory" >&2; exit 2; fi
done
echo "[]"
"""
NODE = {"metadata": {"name": "own"}, "spec": {"podCIDR": "10.1.0.0/24"}, "status": {"addresses": []}}


class Cluster(FakeCluster):
    """is_away: refuses writes, and counts them. annotations: what the node has written."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.refused = 0
        self.annotations: dict[str, Any] = {}

    async def call(self, call: Call) -> Any:
        if call.method != "PATCH":
            return await super().call(call)
        if self.is_away:
            self.refused += 1
            raise Unavailable("the API server is being upgraded")
        self.annotations |= call.body.get("metadata", {}).get("annotations", {})
        return {}


class Conditions(NodeConditions):
    """said: the reason and message of NetworkUnavailable."""

    said = ("", "")

    def set(self, type: str, is_true: bool, reason: str, message: str) -> None:
        if type == "NetworkUnavailable":
            self.said = reason, message

    async def hear(self, reason: str, words: str = "reached by Routes") -> None:
        """Returns once it is said with that reason and so that it ends in these words."""
        async with asyncio.timeout(10):
            while self.said[0] != reason or not self.said[1].endswith(words):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path, cluster: Cluster) -> AsyncIterator[Conditions]:
    await cluster.put(NODES, NODE)
    await cluster.put(CLUSTERNETWORKS, {"kind": "ClusterNetwork", "metadata": {"name": "default", "generation": 1}, "spec": {}})
    config = BackendConfig(instance="t", node="own", cluster_cidrs=("10.1.0.0/16",), state=folder / "state", inspect_s=0.05)
    informers, conditions = cluster.informers(), Conditions("own")
    backends = NodeBackends(informers, Client(cluster), config, conditions=conditions)
    async with scope() as tasks:
        tasks.spawn(informers.run())
        tasks.spawn(backends.run(asyncio.Event()))
        yield conditions
        tasks.cancel()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where ip is found first."""
    made = tmp_path / "bin"
    made.mkdir()
    (made / "ip").write_text(IP)
    (made / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{made}:/usr/bin:/bin")
    return made


async def test_a_machine_that_refuses_at_first_is_asked_again_by_a_node_that_is_alone(tmp_path: Path, programs: Path) -> None:
    (programs / "fails-route").touch()
    async with running(tmp_path, Cluster()) as conditions:
        await conditions.hear("BackendFailed", "Cannot allocate memory")
        (programs / "fails-route").unlink()
        await conditions.hear("BackendWorks")


async def test_a_link_that_was_made_to_try_and_does_not_go_keeps_nobody_from_starting(tmp_path: Path, programs: Path) -> None:
    (programs / "fails-delete").touch()
    async with running(tmp_path, Cluster()) as conditions:
        await conditions.hear("BackendWorks")


async def test_packet_sizes_that_are_not_known_are_said_and_asked_for_again(tmp_path: Path, programs: Path) -> None:
    (programs / "fails-address").touch()
    async with running(tmp_path, Cluster()) as conditions:
        await conditions.hear("BackendWorks", "Cannot allocate memory")
        assert "how large packets may be is not known anew" in conditions.said[1]
        (programs / "fails-address").unlink()
        await conditions.hear("BackendWorks")


async def test_an_answer_that_is_no_json_is_a_failure_like_others(tmp_path: Path, programs: Path) -> None:
    (programs / "ip").write_text(IP.replace("[]", "[{,"))
    async with running(tmp_path, Cluster()) as conditions:
        await conditions.hear("BackendFailed", "(char 2)")
        assert "the answer is not understood" in conditions.said[1]


async def test_what_a_node_that_is_alone_could_not_write_is_written_later(tmp_path: Path, programs: Path) -> None:
    cluster = Cluster()
    cluster.is_away = True
    async with running(tmp_path, cluster):
        async with asyncio.timeout(10):
            while cluster.refused < 6:
                await asyncio.sleep(0.02)
            cluster.is_away = False
            while FOLLOWS not in cluster.annotations:
                await asyncio.sleep(0.02)
