"""The output of a program through zstd."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pilothouse.platform.databases.inside.outcome import Failure

_PART = 1 << 18


def compressed(argv: Sequence[str], log: Path) -> Iterator[bytes]:
    """log: what the program says. Raises Failure when it does not end well, before the last part is given."""
    with (
        open(log, "wb") as errors,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors) as copy,
        subprocess.Popen(["zstd", "-q", "-1", "-c"], stdin=copy.stdout, stdout=subprocess.PIPE) as zstd,
    ):
        assert zstd.stdout is not None
        while part := zstd.stdout.read(_PART):
            yield part
        if copy.wait() or zstd.wait():
            raise Failure("BrokenCopy", f"the restored data can't be copied: {log.read_text(errors='replace')[-300:].strip()}")
