"""What is asked of a node about its pods does not stand in the way of its work."""

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import netns
from pilothouse.engine.node.runtime.seam import RUNNING, Container
from pilothouse.engine.node.streams.connector import Connector
from pilothouse.model.errors import Internal
from tests.simulation.fake_runtime import FakeRuntime
from tests.simulation.objects import pod


async def test_ports_that_do_not_answer_hold_no_thread_that_others_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()

    def connect(path: str, port: int) -> socket.socket:
        enough.wait(30)
        raise OSError("nobody answers")

    monkeypatch.setattr(netns, "connect", connect)
    container = Container("c", "box", "u", "main", 0, RUNNING, 0.0)
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test")
    connector = Connector(FakeRuntime(), config, lambda uid, name, previous: container)
    wanted = pod(hostNetwork=True)
    wanted["metadata"]["uid"] = "u"
    waiting = [asyncio.ensure_future(connector.connect(wanted, 80)) for _ in range(64)]
    await asyncio.sleep(0.1)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    finally:
        enough.set()
    for each in waiting:
        with pytest.raises(Internal, match="nobody answers"):
            await each
