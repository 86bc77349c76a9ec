"""What the node's process waits for at its start, and what it asks the container runtime."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cli.daemon import node
from pilothouse.cli.settings.home import Settings


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


async def test_sandboxes_are_not_known_while_the_runtime_does_not_answer(tmp_path: Path) -> None:
    """So no lease is compared with none."""
    assert await node._sandboxes(tmp_path / "containerd.sock") is None
    (tmp_path / "containerd.sock").touch()
    assert await node._sandboxes(tmp_path / "containerd.sock") is None
