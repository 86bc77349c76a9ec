"""What is left of a further node that was removed does not keep a new one from joining."""

from pathlib import Path

import click
import pytest

from pilothouse.cli.cluster.waiting import NotUp
from pilothouse.cli.further import starting
from pilothouse.cli.further.starting import take_old_away
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client.client import Client
from pilothouse.engine.identities import NODE, Identities
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


def test_a_node_that_cannot_be_started_keeps_no_other_from_it_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, started = Home(tmp_path), []
    for number in ("2", "3", "4"):
        further = Home(tmp_path / "nodes" / number)
        Settings(server="https://172.27.0.1:6443", parent=str(tmp_path), node_name=f"n-{number}").save(further)
        further.pki.mkdir()
        Identities(further.pki).kubeconfig(NODE).touch()
    (tmp_path / "nodes" / "2" / "settings.json").write_text("{")

    def wait_ready(home: Home) -> None:
        if home.path.name == "3":
            raise NotUp("no containerd")

    monkeypatch.setattr(starting.service, "start", lambda home: started.append(home.path.name))
    monkeypatch.setattr(starting, "wait_ready", wait_ready)
    with pytest.raises(NotUp, match=r"node n-2: .*settings\.json is damaged .*; node n-3: no containerd"):
        starting.start(Session(instance, None, False), Settings(node_name="n"), 4)
    assert started == ["3", "4"]
