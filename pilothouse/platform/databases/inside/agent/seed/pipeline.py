"""Programs one behind the other, the output of each the input of the next, whose failures count."""

import os
import select
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

from pilothouse.platform.databases.inside.agent.job import Failed

_LAST_BYTES = 4096
_END_WITHIN_S = 5.0


class Pipeline:
    """What the programs say of errors goes into `log`, a temporary file of the caller's. All are killed at the end of the block."""

    def __init__(self, commands: Sequence[Sequence[str]], log: IO[bytes], *, takes_input: bool = False) -> None:
        self._log = log
        self._names = [command[0] for command in commands]
        self._processes: list[subprocess.Popen[bytes]] = []
        before: IO[bytes] | int | None = subprocess.PIPE if takes_input else subprocess.DEVNULL
        for command in commands:
            process = subprocess.Popen(command, stdin=before, stdout=subprocess.PIPE, stderr=log)
            if self._processes:
                assert self._processes[-1].stdout is not None
                self._processes[-1].stdout.close()  # so that it hears when the next one has ended
            self._processes.append(process)
            before = process.stdout

    @property
    def input(self) -> IO[bytes]:
        assert self._processes[0].stdin is not None
        return self._processes[0].stdin

    @property
    def output(self) -> IO[bytes]:
        assert self._processes[-1].stdout is not None
        return self._processes[-1].stdout

    def read(self, most: int, within_s: float) -> bytes:
        """What comes next of the output, b"" at its end. Raises Failed when nothing comes in time."""
        ready, _, _ = select.select([self.output], [], [], within_s)
        if not ready:
            raise Failed(f"{self._names[0]} gave nothing for {within_s:g} s")
        return os.read(self.output.fileno(), most)

    def finish(self, within_s: float) -> None:
        """Waits until all have ended well. Raises Failed with what the first that has not said last."""
        for name, process in zip(self._names, self._processes, strict=True):
            try:
                code = process.wait(within_s)
            except subprocess.TimeoutExpired as error:
                raise Failed(f"{name} did not end within {within_s:g} s") from error
            if code:
                raise Failed(f"{name} ended with the code {code}: {self._said()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes:
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None and not stream.closed:
                    _close(stream)
            process.wait(_END_WITHIN_S)

    def _said(self) -> str:
        self._log.seek(max(0, self._log.seek(0, 2) - _LAST_BYTES))
        lines = self._log.read().decode(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or ["it said nothing"])[-1].strip()


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return
