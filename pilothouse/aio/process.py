"""Child processes: short ones with a deadline (`run`), long ones that are looked after (`Child`).

A short child gets a session of its own and dies, with all it has started, when its deadline passes or its caller is
cancelled. A long one may outlive us when that is its purpose; nothing here kills it behind its owner's back.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

CAPTURE_BYTES = 64 * 1024 * 1024
LINE_BYTES = 1024 * 1024
DAEMON_WAIT_S = 1.0
"""How long output may follow the exit of a child whose own children hold its pipes open."""
REAP_S = 5.0
STDIN, STDOUT, STDERR = 0, 1, 2

OnLine = Callable[[Literal["stdout", "stderr"], bytes], None]
"""Gets each line of a child's output without its line end, in the order of arrival."""


class ProcessFailed(Exception):
    """A child ended with an error; the message has its command and the end of what it said."""

    def __init__(self, completed: "Completed") -> None:
        said = (completed.stderr.strip() or completed.stdout.strip()).decode(errors="replace")[-2000:]
        ending = f"exit code {completed.returncode}" if completed.returncode >= 0 else f"signal {-completed.returncode}"
        super().__init__(f"{' '.join(completed.argv)}: {ending}" + (f": {said}" if said else ""))
        self.completed = completed


class ProcessTimeout(TimeoutError):
    """A child was killed because its time was over."""


class OutputTooLarge(Exception):
    """A child was killed because it said more than there is room for."""


@dataclass(frozen=True, slots=True)
class Completed:
    """returncode: negative for a signal, as in subprocess. stdout and stderr are empty where lines were streamed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    def check(self) -> "Completed":
        """Raises ProcessFailed unless the child succeeded."""
        if self.returncode != 0:
            raise ProcessFailed(self)
        return self


async def run(
    argv: Sequence[str | Path],
    *,
    input: bytes | None = None,
    timeout_s: float | None = 60.0,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    on_line: OnLine | None = None,
) -> Completed:
    """Run a program to its end. env replaces the environment when given; input None is an empty standard input.

    timeout_s: None for no limit.
    Raises FileNotFoundError when the program is missing, ProcessTimeout at the deadline, OutputTooLarge.
    """
    words = tuple(str(word) for word in argv)
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    loop = asyncio.get_running_loop()
    transport, talk = await loop.subprocess_exec(
        lambda: _Talk(loop, on_line),
        *words,
        stdin=null if input is None else pipe,
        stdout=pipe,
        stderr=pipe,
        env=None if env is None else dict(env),  # uvloop takes nothing else
        cwd=cwd,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            if input is not None:
                _feed(transport, input)
            await asyncio.shield(talk.finished)
    except TimeoutError as error:
        raise ProcessTimeout(f"{' '.join(words)} was killed after {timeout_s:g} s") from error
    finally:
        await _end(transport, talk)
    returncode = transport.get_returncode()
    assert returncode is not None
    return Completed(words, returncode, bytes(talk.stdout), bytes(talk.stderr))


class _Talk(asyncio.SubprocessProtocol):
    """What a child says. finished: it has exited and its output is complete, or it said too much."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_line: OnLine | None) -> None:
        self._loop = loop
        self._on_line = on_line
        self._open = {STDOUT, STDERR}
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.finished: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        said = self.stdout if fd == STDOUT else self.stderr
        said += data
        if self._on_line is not None:
            self._pass_on(fd, said, end=False)
        elif len(said) > CAPTURE_BYTES:
            self._finish(OutputTooLarge(f"more than {CAPTURE_BYTES} bytes of output"))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd not in self._open:
            return
        self._open.discard(fd)
        if self._on_line is not None:
            self._pass_on(fd, self.stdout if fd == STDOUT else self.stderr, end=True)
        if not self._open and self.exited.done():
            self._finish()

    def process_exited(self) -> None:
        self.exited.set_result(None)
        if self._open:
            self._loop.call_later(DAEMON_WAIT_S, self._finish)
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)

    def _finish(self, error: Exception | None = None) -> None:
        if not self.finished.done():
            self.finished.set_result(None) if error is None else self.finished.set_exception(error)

    def _pass_on(self, fd: int, said: bytearray, *, end: bool) -> None:
        """Pass complete lines on; a line that never ends goes in pieces."""
        assert self._on_line is not None
        *lines, rest = bytes(said).split(b"\n")
        if rest and (end or len(rest) > LINE_BYTES):
            lines.append(rest)
            rest = b""
        said[:] = rest
        for line in lines:
            self._on_line("stdout" if fd == STDOUT else "stderr", line.removesuffix(b"\r"))


def _feed(transport: asyncio.SubprocessTransport, input: bytes) -> None:
    """A child need not read all of it: what is left when it exits is dropped."""
    pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(STDIN))
    # It may have ended before this: uvloop has then closed the pipe, and refuses both calls.
    if not pipe.is_closing():
        pipe.write(input)
    if not pipe.is_closing():
        pipe.write_eof()


async def _end(transport: asyncio.SubprocessTransport, talk: _Talk) -> None:
    """Leave nothing behind: kill the child's whole session if it still runs, reap it, close its pipes."""
    if transport.get_returncode() is None:
        signal_group(transport.get_pid(), signal.SIGKILL)
    transport.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REAP_S):
            await asyncio.shield(talk.exited)
            await asyncio.shield(talk.closed)
    if talk.finished.done() and not talk.finished.cancelled():
        talk.finished.exception()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a process that leads its group, and with it the group; nothing happens when it has gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
