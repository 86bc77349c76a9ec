"""What the node's process waits for at its start, and what it asks the container runtime."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest

from pilothouse.aio.supervisor import Supervisor
from pilothouse.aio.tasks import Scope, scope
from pilothouse.cli.daemon import joined, node
from pilothouse.cli.daemon.process import Process
from pilothouse.cli.daemon.roles import NODE
from pilothouse.cli.daemon.state import Steps
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client.client import Client
from pilothouse.engine.identities import NODE as OWN
from pilothouse.engine.identities import Identities
from pilothouse.model.json import Object


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port on which nobody listens."""
    monkeypatch.setattr(node, "API_PATIENCE_S", 0.1)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_a_node_with_a_control_plane_of_its_own_goes_on_though_that_does_not_come(silent: int) -> None:
    async with asyncio.timeout(10):
        await node._api_may_listen(Settings(api_port=silent))


def process(home: Home, settings: Settings, tasks: Scope) -> Process:
    supervisor = Supervisor(tasks, lambda: None, is_fatal=lambda error: False)
    return Process(home, settings, Steps(home, NODE), tasks, supervisor)


async def test_a_node_that_has_joined_before_begins_by_the_addresses_that_it_had(silent: int, tmp_path: Path) -> None:
    home, settings = Home(tmp_path), Settings(server=f"https://127.0.0.1:{silent}", node_cidr="10.244.4.0/22")
    kubeconfig = Identities(home.pki).kubeconfig(OWN)
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.touch()
    async with scope() as tasks, asyncio.timeout(10):
        assert not await node._api_answers(process(home, settings, tasks))


@pytest.mark.parametrize("node_cidr", ["", "10.244.4.0/22"])
async def test_a_node_that_has_not_joined_yet_waits_for_the_cluster(silent: int, tmp_path: Path, node_cidr: str) -> None:
    settings = Settings(server=f"https://127.0.0.1:{silent}", node_cidr=node_cidr)
    async with scope() as tasks:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await node._api_answers(process(Home(tmp_path), settings, tasks))


class Nodes:
    """Stands in for the client, as for what the Node says of its pods' addresses."""

    def __init__(self, *said: str) -> None:
        self._said = list(said)

    async def get_or_none(self, *_: object) -> Object | None:
        found = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        return {"metadata": {"name": "n"}, "spec": {"podCIDRs": [found]}} if found else None


@pytest.mark.parametrize(("said", "holds"), [(["", "10.244.4.0/22"], True), (["10.244.8.0/22"], False), ([""], False)])
async def test_a_node_that_began_by_other_addresses_than_it_is_given_begins_anew(
    said: list[str], holds: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined, "PATIENCE_S", 0.5)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        settings = Settings(server=f"https://127.0.0.1:{listening.getsockname()[1]}", node_cidr="10.244.4.0/22")
        async with scope() as tasks, asyncio.timeout(10):
            confirming = node._confirm_range(process(Home(tmp_path), settings, tasks), cast("Client", Nodes(*said)))
            with nullcontext() if holds else pytest.raises(joined.RangeChanged, match="the node begins anew"):
                await confirming


async def test_sandboxes_are_not_known_while_the_runtime_does_not_answer(tmp_path: Path) -> None:
    """So no lease is compared with none."""
    assert await node._sandboxes(tmp_path / "containerd.sock") is None
    (tmp_path / "containerd.sock").touch()
    assert await node._sandboxes(tmp_path / "containerd.sock") is None
