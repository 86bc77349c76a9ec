"""Runs the programs that volumes are made with: fixed words, paths of our own, no shell that reads either."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pilothouse.aio.process import run

PROGRAM_S = 120.0


def missing(names: Sequence[str]) -> list[str]:
    """Those of the programs that this machine lacks."""
    return [name for name in names if shutil.which(name, path=_path()) is None]


async def call(words: Sequence[str | Path], fine: Sequence[int] = (0,), *, timeout_s: float | None = PROGRAM_S) -> None:
    """fine: exit codes that are no failure. timeout_s: None for no limit. Raises OSError, ProcessFailed, ProcessTimeout."""
    done = await run(words, timeout_s=timeout_s, env=environment())
    if done.returncode not in fine:
        done.check()


def environment() -> dict[str, str]:
    return os.environ | {"PATH": _path(), "LC_ALL": "C"}


def _path() -> str:
    """Of users without the folders of system programs, too."""
    return os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin:/sbin"
