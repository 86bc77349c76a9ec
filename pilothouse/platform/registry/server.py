"""distribution's registry as a child process of this one."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import yaml

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.child import Child
from pilothouse.aio.liveness import EVERY_S, until_silent
from pilothouse.aio.tasks import first_of
from pilothouse.model.errors import Unavailable
from pilothouse.oci.registry import Registry

log = structlog.get_logger("platform.registry")

STEADY_S = 10.0
"""A registry that has run for so long did not end since it cannot run."""
PROGRAM = "docker-registry"


class RegistryError(Exception):
    """The registry does not start: one sentence with the reason."""


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """port: on loopback. read_only: while unreferenced blobs are being removed."""

    folder: Path
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    def write(self, *, read_only: bool = False) -> Path:
        """The server's configuration file."""
        self.storage.mkdir(parents=True, exist_ok=True)
        maintenance = {
            "uploadpurging": {"enabled": True, "age": "24h", "interval": "6h", "dryrun": False},
            "readonly": {"enabled": read_only},
        }
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage)},
                "delete": {"enabled": True},
                "maintenance": maintenance,
                "cache": {"blobdescriptor": "inmemory"},
            },
            "http": {"addr": self.address},
        }
        path = self.folder / "config.yml"
        path.write_text(yaml.safe_dump(settings))
        return path


class RegistryServer:
    """Runs the registry until cancelled; started again when it ends by itself or does not answer any more.

    ask_every_s: how often it is asked whether it answers.
    """

    def __init__(self, config: RegistryConfig, *, ask_every_s: float = EVERY_S) -> None:
        self.config = config
        self._ask_every_s = ask_every_s
        self._child: Child | None = None
        self._is_read_only = False

    async def run(self, ready: asyncio.Event) -> None:
        backoff, loop = Backoff(0.1, cap_s=10.0), asyncio.get_running_loop()
        while True:
            began = loop.time()
            child = self._child = await self._start()
            try:
                await self._answers(child)
                ready.set()
                await first_of(child.wait(), self._silent())
            finally:
                await child.stop(grace_s=5)
            if loop.time() - began > STEADY_S:
                backoff.reset()
            await asyncio.sleep(backoff.next_s())

    async def _silent(self) -> int:
        await until_silent(self._is_up, every_s=self._ask_every_s, answer_s=self._ask_every_s)
        log.warning("the registry does not answer; starting it again")
        return -1

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[None]:
        """Nothing can be pushed inside the block: blobs may be removed."""
        await self._restarted(read_only=True)
        try:
            yield
        finally:
            await self._restarted(read_only=False)

    async def _restarted(self, *, read_only: bool) -> None:
        self._is_read_only = read_only
        ended = self._child
        if ended is not None:
            await ended.stop(grace_s=5)
        async with asyncio.timeout(30):
            while self._child is ended or not await self._is_up():  # noqa: ASYNC110 -- whether a program listens is only found by asking
                await asyncio.sleep(0.05)

    async def _start(self) -> Child:
        path = self.config.write(read_only=self._is_read_only)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
        return await Child.start([PROGRAM, "serve", str(path)], log=self.config.log, env=environment, dies_with_us=True)

    async def _answers(self, child: Child) -> None:
        for _ in range(200):
            if await self._is_up():
                return
            if child.returncode is not None:
                break
            await asyncio.sleep(0.05)
        raise RegistryError(f"the image registry does not start on {self.config.address}: see {self.config.log}")

    async def _is_up(self) -> bool:
        async with Registry(self.config.address) as registry:
            try:
                await registry.ping()
            except Unavailable:
                return False
            return True
