"""A logical copy (SQL in zstd), loaded into a folder with an empty server's data."""

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.outcome import Failure
from pilothouse.platform.databases.inside.scratch import Scratch, scratch

_PART = 1 << 18
_END = b"-- Dump completed"
_TAIL = 4096
"""Bytes at both ends of a dump: mariadb-dump tells the position behind the last table, mysqldump before the first."""


def load(folder: Path, parts: Iterable[bytes]) -> str:
    """Returns the position (GTID) of the dump. Raises Failure when it is not whole or a statement fails."""
    shutil.rmtree(folder, ignore_errors=True)
    install(folder)
    with scratch(folder) as server:
        return _Loading(server).take(parts)


def install(folder: Path) -> None:
    """The data of an empty server."""
    argv = tools.of_image().install(folder)
    ended = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode:
        raise Failure("BrokenCopy", f"no empty server could be made: {ended.stderr.strip()[-300:] or ended.stdout.strip()[-300:]}")


class _Loading:
    """zstd, then through this process, which reads the position and sees the end, into the client."""

    def __init__(self, server: Scratch) -> None:
        self._zstd = subprocess.Popen(["zstd", "-d", "-q", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        argv = [*tools.of_image().client, f"--socket={server.socket}"]
        self._client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._head = self._tail = b""

    def take(self, parts: Iterable[bytes]) -> str:
        through = threading.Thread(target=self._pass_on)
        through.start()
        try:
            self._give(parts)
        finally:
            _close(self._zstd)
            through.join()
            _close(self._client)
            said = self._client.stderr.read().decode(errors="replace") if self._client.stderr else ""
            codes = self._zstd.wait(), self._client.wait()
            for pipe in (self._zstd.stdout, self._client.stderr):
                if pipe is not None:
                    pipe.close()
        if codes[1]:
            raise Failure("BrokenCopy", f"the dump could not be loaded: {said.strip()[-500:]}")
        if codes[0] or _END not in self._tail:
            raise Failure("BrokenCopy", "the dump is not whole: its last line is missing")
        found = tools.of_image().dumped.search(self._head + self._tail)
        return b"".join(found[1].split()).decode() if found else ""

    def _give(self, parts: Iterable[bytes]) -> None:
        assert self._zstd.stdin is not None
        for part in parts:
            with contextlib.suppress(BrokenPipeError):
                self._zstd.stdin.write(part)

    def _pass_on(self) -> None:
        assert self._zstd.stdout is not None
        assert self._client.stdin is not None
        while part := os.read(self._zstd.stdout.fileno(), _PART):
            self._head = self._head if len(self._head) >= _TAIL else (self._head + part)[:_TAIL]
            self._tail = (self._tail + part)[-_TAIL:]
            with contextlib.suppress(BrokenPipeError):
                self._client.stdin.write(part)


def _close(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
