"""The registry's supervision, with a real docker-registry on a free port of loopback."""

import asyncio
import os
import signal
import socket
from pathlib import Path

from pilothouse.aio.tasks import running
from pilothouse.platform.registry.server import RegistryConfig, RegistryServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pid_of(server: RegistryServer) -> int:
    assert server._child is not None
    return server._child.pid


async def test_a_registry_that_hangs_is_started_again(tmp_path: Path) -> None:
    server = RegistryServer(RegistryConfig(tmp_path, free_port(), tmp_path / "log"), ask_every_s=0.2)
    async with asyncio.timeout(40), running(server.run, name="registry"):
        hung = pid_of(server)
        os.kill(hung, signal.SIGSTOP)
        while pid_of(server) == hung or not await server._is_up():
            await asyncio.sleep(0.05)
