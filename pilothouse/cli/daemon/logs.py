"""Logs of long-running processes: one JSON object a line, records of the standard library included, and files of bounded size."""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import orjson
import structlog

LARGEST_BYTES = 16 << 20
CHECK_S = 10.0


class Lenient:
    """A file that loses what cannot be written to it: a full disk ends nobody who wants to say so."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        with suppress(OSError):
            self._file.write(data)
        return len(data)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def configure(level: int = logging.INFO) -> None:
    """To standard error."""
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", Lenient(sys.stderr.buffer))),
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format='{"event": %(message)r, "logger": "%(name)s", "level": "%(levelname)s"}'
    )


async def keep_bounded(paths: Sequence[Path], *, largest_bytes: int = LARGEST_BYTES, check_s: float = CHECK_S) -> None:
    """Put aside what has grown too large, until cancelled. One file aside is kept of each, as NAME.1."""
    while True:
        await asyncio.to_thread(_put_aside_each, paths, largest_bytes)
        await asyncio.sleep(check_s)


def _put_aside_each(paths: Sequence[Path], largest_bytes: int) -> None:
    for path in paths:
        put_aside(path, largest_bytes)


def put_aside(path: Path, largest_bytes: int) -> bool:
    """Copy a log that is larger to NAME.1 and empty it; whoever appends to it goes on with the same file.

    Lines that are written between the copy and the emptying are lost: the programs that write here know no other way.
    """
    try:
        if path.stat().st_size <= largest_bytes:
            return False
        aside = path.with_name(f"{path.name}.1")
        draft = path.with_name(f"{path.name}.new")
        shutil.copy(path, draft)  # with its mode: who may not read the log may not read what is put aside
        draft.replace(aside)
        os.truncate(path, 0)
    except OSError:
        return False
    return True
