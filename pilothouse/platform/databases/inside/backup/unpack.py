"""A physical copy (in zstd) as a folder that a server starts on."""

import contextlib
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.outcome import Failure

_LINES = 3


class Unpacking:
    """Takes a copy part by part and unpacks it into the folder, which is emptied first. `finish` says whether it was whole."""

    def __init__(self, folder: Path, room: str = "the Job's scratch volume") -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._room = room
        self._zstd = subprocess.Popen(["zstd", "-d", "-q", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._stream = subprocess.Popen(
            tools.of_image().unpack(folder), stdin=self._zstd.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._zstd.stdout is not None
        self._zstd.stdout.close()

    def __enter__(self) -> "Unpacking":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in (self._zstd, self._stream):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    def write(self, data: bytes) -> None:
        """When a program has ended early its words are told by `finish`."""
        assert self._zstd.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._zstd.stdin.write(data)

    def finish(self) -> None:
        """Raises Failure with what the programs said."""
        assert self._zstd.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._zstd.stdin.close()
        for process, what in ((self._stream, "unpacked"), (self._zstd, "decompressed")):
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace")
            if process.wait():
                raise _failure(what, said, self._room)


def prepare(folder: Path) -> None:
    argv = tools.of_image().prepare(folder)
    if not argv:
        return
    ended = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode:
        raise _failure("prepared", ended.stderr, "the Job's scratch volume")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _failure(what: str, said: str, room: str) -> Failure:
    if "No space left" in said or "Errcode: 28" in said:
        return Failure("NoRoom", f"the copy could not be {what}: {room} is full", final=True)
    lines = [line.strip() for line in said.splitlines() if line.strip()][-_LINES:]
    return Failure("BrokenCopy", f"the copy could not be {what}: {' / '.join(lines) or 'the program ended without a word'}")
