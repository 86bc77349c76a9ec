"""How the nodes are asked."""

from typing import Any, cast

import click
import pytest

from pilothouse.cli.trace.asking import TRIES, reports
from pilothouse.cli.trace.target import Target
from pilothouse.client.client import Client
from pilothouse.model.errors import Conflict
from pilothouse.model.json import Object

SENDER: Object = {
    "metadata": {"name": "client", "namespace": "default", "uid": "u"},
    "spec": {"nodeName": "one"},
    "status": {"podIPs": [{"ip": "10.1.0.2"}]},
}
TARGET = Target("192.0.2.7", "192.0.2.7", 443, "tcp")


class Node:
    """Whose pod has connections from the first so many ports that are asked for."""

    def __init__(self, used: int) -> None:
        self.used = used
        self.ports: list[int] = []

    async def call(self, method: str, path: str, body: Any = None) -> Object:
        if body is not None:
            self.ports.append(body["sourcePort"])
            return {"id": "0"}
        if len(self.ports) <= self.used:
            raise Conflict("the pod uses the port itself")
        return {"steps": [], "sent": None}


async def test_another_port_is_chosen_when_the_pod_uses_the_first_itself() -> None:
    node = Node(2)
    found = await reports(cast("Client", node), SENDER, TARGET, {}, 1.0)
    assert found == {"one": {"steps": [], "sent": None}}
    assert len(set(node.ports)) == 3


async def test_the_search_for_a_port_ends() -> None:
    node = Node(1000)
    with pytest.raises(click.ClickException, match="very many connections"):
        await reports(cast("Client", node), SENDER, TARGET, {}, 1.0)
    assert len(node.ports) == TRIES
