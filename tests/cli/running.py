"""An instance that runs, for `ph` as a process of its own: its two processes are the test's, its cluster is a fake."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.cli.daemon.roles import CONTROL, ROLES
from pilothouse.cli.daemon.state import State, note_pid
from pilothouse.cli.settings.home import Home
from pilothouse.client.transport import Call
from pilothouse.model.json import Object
from tests.cli.answers import answering, saying
from tests.client.fake_cluster import FakeTransport

APPS = "/apis/apps.pilothouse.dev/v1/apps"


def node(name: str, *, ready: bool = True, cordoned: bool = False, pressure: str = "") -> Object:
    """pressure: the condition that it has beside Ready."""
    conditions = [{"type": "Ready", "status": str(ready)}, *([{"type": pressure, "status": "True"}] if pressure else [])]
    return {
        "metadata": {"name": name},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"conditions": conditions},
    }


@asynccontextmanager
async def running(home: Path, *nodes: Object, failing: dict[str, str]) -> AsyncIterator[FakeTransport]:
    """An instance whose two processes are this one, with a cluster of these nodes."""

    async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    made = Home(home)
    made.run.mkdir()
    made.settings.write_text("{}")
    for role in ROLES:
        State(os.getpid(), 0.0, phase="ready", failing=failing if role is CONTROL else {}).save(made, role)
        note_pid(role.pid(made), os.getpid())
    async with answering(home, apps=[]) as server, await asyncio.start_unix_server(healthy, made.node_socket):
        for each in nodes:
            await FakeTransport(server.cluster).call(Call("POST", "/api/v1/nodes", body=each))
        server.overrides |= {"/readyz": saying({}), APPS: saying({"items": []})}
        yield FakeTransport(server.cluster)
