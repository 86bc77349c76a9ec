"""A long-running child process: started in its own session, watched through a pidfd, ended politely and then firmly.

It is not bound to the event loop: closing the loop, or losing the object, leaves the process alone. So a child that has
to survive a restart (containerd, with the containers behind it) is simply detached, and one that must not outlive us
asks the kernel to end it.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pilothouse.aio.process import signal_group

KILL_WAIT_S = 5.0


class Child:
    """Made by `Child.start`. As a context manager it is stopped at the end of the block."""

    def __init__(self, argv: tuple[str, ...], process: "subprocess.Popen[bytes]") -> None:
        self.argv = argv
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._exited)

    @classmethod
    async def start(
        cls,
        argv: Sequence[str | Path],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        dies_with_us: bool = False,
    ) -> "Child":
        """Start a program. log: file that its output is appended to (default: nowhere).

        dies_with_us: the kernel kills it when this process ends, however it ends. Raises FileNotFoundError.
        """
        words = tuple(str(word) for word in argv)
        path = os.get_exec_path() if env is None else os.get_exec_path(env)
        if shutil.which(words[0], path=os.pathsep.join(path)) is None:
            raise FileNotFoundError(f"{words[0]}: no such program on the PATH")
        # setpriv sets the parent-death signal between fork and exec, where Python code must not run in a threaded process.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *words] if dies_with_us else list(words)
        return cls(words, _spawn(command, log, env, cwd))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Signal the process itself (not what it has started)."""
        if not self._ended.done():
            self._process.send_signal(number)

    async def stop(self, grace_s: float = 10.0) -> int:
        """SIGTERM, and after the grace SIGKILL to its process group; returns the exit code. Descendants in groups of
        their own, such as containerd's shims, are left alone."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                return await self.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        if not self._ended.done():
            signal_group(self.pid, signal.SIGKILL)
        async with asyncio.timeout(KILL_WAIT_S):
            return await self.wait()

    def detach(self) -> None:
        """Let it run on without us."""
        if not self._ended.done():
            self._forget()
            self._ended.cancel()
            # Popen complains about a child that is dropped while it runs, unless it believes it has ended.
            self._process.returncode = 0

    def _exited(self) -> None:
        self._forget()
        if not self._ended.done():
            self._ended.set_result(self._process.wait())

    def _forget(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()


def _spawn(command: list[str], log: Path | None, env: Mapping[str, str] | None, cwd: str | Path | None) -> "subprocess.Popen[bytes]":
    sink = os.open(os.devnull if log is None else log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env, cwd=cwd, start_new_session=True
        )
    finally:
        os.close(sink)
