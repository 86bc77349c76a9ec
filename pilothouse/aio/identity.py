"""Processes that outlive us: identified by pid, start time and boot, so that a recycled pid is never signalled.

Pid files survive a restart of the machine, and after it another process may have the same pid and have begun as many ticks after the boot.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def this_boot() -> str:
    """Id of the kernel's boot, another one after each restart of the machine; "" where the kernel does not say. Source: random(4)."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for good: its pid, its start time in clock ticks since boot, and the id of that boot."""

    pid: int
    started: int
    boot: str = field(default_factory=this_boot)

    @staticmethod
    def of(pid: int) -> "Identity":
        return Identity(pid, _start_time(pid) or 0)

    @staticmethod
    def load(path: Path) -> "Identity | None":
        """None for a file that is not there or says nothing. One without a boot was written by a version that did not tell boots apart."""
        try:
            pid, started, *boot = path.read_text().split()
            return Identity(int(pid), int(started), *boot[:1])
        except (OSError, ValueError):
            return None

    def save(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(f"{self.pid} {self.started} {self.boot}\n")
        fresh.replace(path)

    def alive(self) -> bool:
        if self.boot != this_boot():
            return False
        _reap(self.pid)
        return self.started != 0 and _start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Nothing happens when the process has gone, whoever has its pid now."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def find(program: str, argument: str) -> Identity | None:
    """A running process of that program (its file's name) with that word in its command line: one whose pid file was never written."""
    for pid, words in commands():
        if Path(words[0]).name == program and argument in words:
            return Identity.of(pid)
    return None


def commands() -> Iterator[tuple[int, list[str]]]:
    """Pid and command line of each process of our user in our pid namespace.

    A command line is the process's own word: those of other users, and of containers, may name what they are not.
    """
    user, namespace = os.geteuid(), Path("/proc/self/ns/pid").stat().st_ino
    for pid in filter(str.isdigit, os.listdir("/proc")):
        folder = Path("/proc", pid)
        try:
            if folder.stat().st_uid != user or (folder / "ns" / "pid").stat().st_ino != namespace:
                continue
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if found := [word.decode(errors="replace") for word in words if word]:
            yield int(pid), found


async def wait_gone(identity: Identity, timeout_s: float) -> bool:
    """True once the process has ended; a zombie counts as ended."""
    try:
        async with asyncio.timeout(timeout_s):
            while identity.alive():  # noqa: ASYNC110 - a process that is not our child tells nobody of its end
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True


async def ended(identity: Identity) -> None:
    """Returns when the process has ended, without asking again and again. Whose child it is does not matter."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def told() -> None:
        if not over.done():
            over.set_result(None)

    loop.add_reader(descriptor, told)
    try:
        if identity.alive():
            await over
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def is_held(pid: int) -> bool:
    """Whether a process has been stopped, by SIGSTOP or a debugger."""
    return _fields(pid)[:1] in (["T"], ["t"])


def _start_time(pid: int) -> int | None:
    """None when there is no such process or it is a zombie."""
    fields = _fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat (proc(5)), from the third one on: the state first, the start time as the twentieth. Empty for no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _reap(pid: int) -> None:
    """Takes the exit status of a child of ours that has ended; no effect on anybody else's."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
