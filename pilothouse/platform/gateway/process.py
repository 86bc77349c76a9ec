"""Envoy as a process that outlives a crash of ours: traffic goes on, and the next start finds and adopts it.

It is known by a pid file that also holds the process's start time, so that a reused pid is never taken for it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import structlog

from pilothouse.aio.child import Child
from pilothouse.platform.gateway.admin import Admin
from pilothouse.platform.gateway.envoy import Files

log = structlog.get_logger("platform.gateway")


class GatewayError(Exception):
    """Envoy does not run: one sentence with the reason."""


def start_time(pid: int) -> str:
    """The kernel's start time of a process, "" when there is none or it has ended (proc(5), fields 3 and 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def reap(pid: int) -> None:
    """Take leave of an ended child; one that another process started is none of ours."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


class EnvoyProcess:
    def __init__(self, files: Files, log_path: Path) -> None:
        self.files = files
        self.log_path = log_path
        self.admin = Admin(files.admin)

    @property
    def _pid_file(self) -> Path:
        return self.files.folder / "envoy.pid"

    def running_pid(self) -> int | None:
        """The pid of this gateway's Envoy, if it runs."""
        try:
            noted = json.loads(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        pid = int(noted["pid"])
        if noted["started"] and start_time(pid) == noted["started"]:
            return pid
        reap(pid)
        return None

    async def ensure(self) -> int:
        """Adopt the running one or start one; returns its pid once it answers. The configuration must have been written."""
        pid = self.running_pid()
        if pid is not None and await self.admin.is_ready():
            return pid
        if pid is not None:
            await self.stop()
        return await self._start()

    async def _start(self) -> int:
        program = shutil.which("envoy", path=os.pathsep.join((str(Path(sys.executable).parent), *os.get_exec_path())))
        if program is None:
            raise GatewayError("the program envoy is missing: run scripts/setup")
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
        self._pid_file.write_text(json.dumps({"pid": child.pid, "started": start_time(child.pid)}))
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
        pid = self.running_pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        for _ in range(int(grace_s / 0.05)):
            if self.running_pid() is None:
                break
            await asyncio.sleep(0.05)
        else:
            os.kill(pid, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)
