"""Envoy as a process that outlives a crash of ours: traffic goes on, and the next start finds and adopts it.

It is known by a pid file that also holds the process's start time.
"""

import asyncio
import signal
from pathlib import Path

import structlog

from pilothouse.aio.child import Child
from pilothouse.aio.identity import Identity, find, wait_gone
from pilothouse.platform.gateway.admin import Admin
from pilothouse.platform.gateway.envoy import Files
from pilothouse.platform.gateway.program import GatewayError, envoy_program

log = structlog.get_logger("platform.gateway")


class EnvoyProcess:
    def __init__(self, files: Files, log_path: Path) -> None:
        self.files = files
        self.log_path = log_path
        self.admin = Admin(files.admin)

    @property
    def _pid_file(self) -> Path:
        return self.files.folder / "envoy.pid"

    def running(self) -> Identity | None:
        """This gateway's Envoy, if it runs."""
        identity = Identity.load(self._pid_file)
        return identity if identity is not None and identity.alive() else None

    def running_pid(self) -> int | None:
        identity = self.running()
        return identity.pid if identity is not None else None

    def _take_back(self) -> None:
        """Note one that was started and not noted, because its starter was killed between the two."""
        if self.running() is None and (stray := find("envoy", str(self.files.bootstrap))) is not None:
            stray.save(self._pid_file)

    async def ensure(self) -> int:
        """Adopt the running one or start one; returns its pid once it answers. The configuration must have been written."""
        self._take_back()
        pid = self.running_pid()
        if pid is not None and await self.admin.is_ready():
            return pid
        if pid is not None:
            await self.stop()
        return await self._start()

    async def _start(self) -> int:
        program = envoy_program()
        self.files.admin.unlink(missing_ok=True)
        argv = [
            program,
            "--config-path",
            str(self.files.bootstrap),
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "warning",
        ]
        child = await Child.start(argv, log=self.log_path)
        Identity.of(child.pid).save(self._pid_file)
        try:
            await self._answers(child)
        finally:
            child.detach()
        return child.pid

    async def _answers(self, child: Child) -> None:
        for _ in range(200):
            if await self.admin.is_ready():
                return
            if child.returncode is not None:
                raise GatewayError(f"envoy ended with code {child.returncode}: see {self.log_path}")
            await asyncio.sleep(0.05)
        raise GatewayError(f"envoy does not become ready: see {self.log_path}")

    async def stop(self, grace_s: float = 5.0) -> None:
        """End it; open connections are cut after the grace."""
        self._take_back()
        identity = self.running()
        if identity is None:
            return
        identity.signal(signal.SIGTERM)
        if not await wait_gone(identity, grace_s):
            identity.signal(signal.SIGKILL)
            await wait_gone(identity, grace_s)
        self._pid_file.unlink(missing_ok=True)
