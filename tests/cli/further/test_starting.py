"""What is left of a further node that was removed does not keep a new one from joining."""

import click
import pytest

from pilothouse.cli.further.starting import take_old_away
from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from tests.client.fake_cluster import FakeCluster, FakeTransport

ADDRESS = "172.27.0.4"


def node(address: str) -> Object:
    return {"metadata": {"name": "n-4"}, "status": {"addresses": [{"type": "InternalIP", "address": address}]}}


@pytest.fixture
def client() -> Client:
    return Client(FakeTransport(FakeCluster()))


async def test_the_node_of_one_that_was_here_before_is_taken_away(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    await take_old_away(client, "n-4", ADDRESS)
    await client.create(NODES, node(ADDRESS))
    await take_old_away(client, "n-4", ADDRESS)
    assert await client.get_or_none(NODES, "n-4") is None
    assert "node n-4 is made anew" in capsys.readouterr().err


async def test_another_machine_of_the_name_is_left_alone_and_named(client: Client) -> None:
    await client.create(NODES, node("192.0.2.1"))
    with pytest.raises(click.ClickException, match="the cluster has a node n-4 that is not on this machine"):
        await take_old_away(client, "n-4", ADDRESS)
    assert await client.get_or_none(NODES, "n-4") is not None
