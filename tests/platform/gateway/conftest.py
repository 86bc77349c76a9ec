import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from pilothouse.model.json import Object
from pilothouse.platform.gateway import envoy
from pilothouse.platform.gateway.controller import MANY, not_taken
from pilothouse.platform.gateway.envoy import Files, Listening
from pilothouse.platform.gateway.process import EnvoyProcess
from pilothouse.platform.gateway.routes import Table


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


class RealGateway:
    """The real Envoy with the configuration that a routing table makes."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder)
        self.log = folder / "envoy.log"
        self.process = EnvoyProcess(self.files, self.log)
        self.listening = Listening(("127.0.0.1",), free_port(), free_port())
        for name in MANY:
            (folder / name).mkdir(parents=True)

    async def route(self, table: Table) -> None:
        """Until Envoy has taken it."""
        self._put(self.files.bootstrap, envoy.bootstrap(self.files, "test"))
        for name, endpoints in table.endpoints.items():
            self._put(self.files.endpoints(name), envoy.resources([envoy.assignment(name, endpoints)]))
        self._put(self.files.clusters, envoy.resources(envoy.clusters(table, self.files)))
        self._put(self.files.routes, envoy.resources([envoy.route_configuration(table)]))
        for certificate in table.certificates:
            self._put(self.files.certificate(certificate.hosts), envoy.resources([envoy.secret(certificate, self.files)]))
        self._put(self.files.listeners, envoy.resources(envoy.listeners(table.certificates, self.listening, self.files)))
        await self.process.ensure()
        async with asyncio.timeout(10):
            while not_taken(table, await self.process.admin.hosts()):
                await asyncio.sleep(0.01)

    def _put(self, path: Path, content: Object) -> None:
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(json.dumps(content))
        draft.replace(path)

    async def ask(self, path: str = "/", host: str = "shop.localhost", method: str = "GET", **headers: str) -> tuple[int, str]:
        """A request that no library tidies up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listening.http_port, limit=1 << 20)
        try:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *(f"{k}: {v}" for k, v in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(size or 0))
            return int(head.split(b" ")[1]), body.decode()
        finally:
            writer.close()

    async def echo(self, path: str = "/", host: str = "shop.localhost", method: str = "GET", **headers: str) -> Object:
        """What reached the application."""
        status, body = await self.ask(path, host, method, **headers)
        assert status == 200, body
        found: Object = json.loads(body)
        return found


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RealGateway]:
    found = RealGateway(tmp_path / "gateway")
    try:
        yield found
    finally:
        await found.process.stop()
    assert found.process.running_pid() is None


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
