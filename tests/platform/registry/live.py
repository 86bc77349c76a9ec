"""The platform's registry as a real docker-registry on a free port of loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.model.errors import Unavailable
from pilothouse.oci.registry import Registry
from pilothouse.platform.registry.server import RegistryConfig, RegistryServer


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[RegistryServer]:
    """One that serves for the block, and is gone after it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = RegistryServer(RegistryConfig(folder / "registry", port, folder / "registry.log"))
    ready = asyncio.Event()
    task = asyncio.ensure_future(found.run(ready))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        yield found
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    async with Registry(found.config.address) as registry:
        with pytest.raises(Unavailable):
            await registry.ping()
