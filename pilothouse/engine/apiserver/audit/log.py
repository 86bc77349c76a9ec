"""Takes events on the event loop and writes them, in their order, in a thread.

Events wait in memory, bounded in bytes, for at most `PAUSE_S`, so that one write to the file carries many: that much, and what the disk
could not take, is lost when the process is killed. Who cannot bear that waits for `written`, which answers for the disk.
While the file cannot be written, events wait and each round tries again; what does not fit any more is dropped and counted.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from pilothouse.aio.meters import Counter
from pilothouse.engine.apiserver.audit.files import Bounds, tidy
from pilothouse.engine.apiserver.audit.rotating import RotatingFile

_log = structlog.get_logger("audit")

PAUSE_S = 0.2
RETRY_S = 1.0
WAITING_BYTES = 16 << 20
_BATCH_BYTES = 1 << 20
_TIDIED_EVERY_S = 3600.0
_CLOSING_S = 5.0

EVENTS = Counter("apiserver_audit_event_total", "audit events that were to be recorded")
LOST = Counter("apiserver_audit_error_total", "audit events that are not in the log, by why", "plugin")


class Unwritten(Exception):
    """Why an event is not on disk."""


class Entry(Protocol):
    """An event on its way to the log. size: about as many bytes as it takes in memory."""

    @property
    def size(self) -> int: ...

    def encoded(self) -> bytes:
        """JSON without a line break; called in a thread, once."""
        ...


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    line: bytes = b""
    written: "asyncio.Future[None] | None" = None


class AuditLog:
    """trouble: why events do not reach the file at the moment, "" while they do."""

    def __init__(self, folder: Path, bounds: Bounds, clock: Callable[[], float] = time.time, *, waiting_bytes: int = WAITING_BYTES) -> None:
        self.folder = folder
        self.trouble = ""
        self._bounds = bounds
        self._clock = clock
        self._file = RotatingFile(folder, bounds, clock)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._most_bytes = waiting_bytes
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "audit")
        self._tidying: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._tidied = float("-inf")

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, bounds: Bounds, **options: Any) -> AsyncIterator["AuditLog"]:
        """Writes as long as the block lasts; what waits at its end is written, if the disk takes it. options: see `__init__`."""
        log = cls(folder, bounds, **options)
        writing = asyncio.create_task(log._run(), name="audit log")
        try:
            yield log
        finally:
            await log._close(writing)

    def put(self, entry: Entry) -> None:
        """Never waits. The event is dropped, and counted, when too many wait."""
        self._put(_Waiting(entry))

    async def written(self, entry: Entry) -> None:
        """Returns once the event is on disk. Raises Unwritten when it is not: it is tried again with the others then."""
        if self.trouble:
            self.put(entry)
            raise Unwritten(self.trouble)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._put(_Waiting(entry, written=done)):
            raise Unwritten("too many audit events wait for the disk")
        self._hurry.set()
        await done

    def _put(self, waiting: _Waiting) -> bool:
        EVENTS.add()
        if self._waiting_bytes + waiting.entry.size > self._most_bytes:
            LOST.add("log")
            return False
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.entry.size
        self._wake.set()
        if self._waiting_bytes > _BATCH_BYTES:
            self._hurry.set()
        return True

    async def _run(self) -> None:
        """Ends when the log is closed, after a last attempt."""
        while not self._closing.is_set():
            await self._wake.wait()
            await _elapsed(self._hurry, PAUSE_S)
            self._wake.clear()
            self._hurry.clear()
            while self._waiting and not self._closing.is_set():
                await self._write_batch()
                if self.trouble:
                    await _elapsed(self._closing, RETRY_S)
            self._start_tidying(is_due=self._clock() - self._tidied > _TIDIED_EVERY_S)
        self.trouble = ""
        while self._waiting and not self.trouble:
            await self._write_batch()

    async def _write_batch(self) -> None:
        batch = self._next_batch()
        must_sync = any(waiting.written is not None for waiting in batch)
        try:
            has_rotated = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, batch, must_sync)
        except OSError as error:
            self._failed(error)
            return
        if self.trouble:
            _log.info("the audit log is written again", folder=str(self.folder))
        self.trouble = ""
        for waiting in batch:
            self._waiting.popleft()
            self._waiting_bytes -= waiting.entry.size
            if waiting.written is None or waiting.written.done():
                continue
            if waiting.line:
                waiting.written.set_result(None)
            else:
                waiting.written.set_exception(Unwritten("the audit event cannot be encoded"))
        self._start_tidying(is_due=has_rotated)

    def _next_batch(self) -> list[_Waiting]:
        """They stay where they are until they are written. At least one, and about as many as make a batch."""
        batch, size = [], 0
        for waiting in self._waiting:
            batch.append(waiting)
            size += waiting.entry.size
            if size > _BATCH_BYTES:
                break
        return batch

    def _write(self, batch: list[_Waiting], must_sync: bool) -> bool:
        for waiting in batch:
            waiting.line = waiting.line or _line(waiting.entry)
        has_rotated = self._file.append(b"".join(waiting.line for waiting in batch))
        if must_sync:
            self._file.sync()
        return has_rotated

    def _failed(self, error: OSError) -> None:
        why = f"the audit log in {self.folder} cannot be written: {error.strerror or error}"
        if why != self.trouble:
            _log.error(why, waiting=len(self._waiting))
        self.trouble = why
        for waiting in self._waiting:
            if waiting.written is not None and not waiting.written.done():
                waiting.written.set_exception(Unwritten(why))

    def _start_tidying(self, *, is_due: bool) -> None:
        if is_due and (self._tidying is None or self._tidying.done()):
            self._tidied = self._clock()
            self._tidying = asyncio.create_task(asyncio.to_thread(tidy, self.folder, self._bounds, self._clock()), name="audit log files")

    async def _close(self, writing: asyncio.Task[None]) -> None:
        self._closing.set()
        self._wake.set()
        self._hurry.set()
        end = asyncio.get_running_loop().time() + _CLOSING_S
        _, late = await asyncio.wait([writing], timeout=_CLOSING_S)
        if self._tidying is not None:  # The last batch may have begun another.
            await asyncio.wait([self._tidying], timeout=max(0.0, end - asyncio.get_running_loop().time()))
        if self._waiting:
            LOST.add("log", by=len(self._waiting))
            _log.error("audit events are lost", count=len(self._waiting), why=self.trouble or "the disk is too slow")
        writing.cancel()
        self._thread.shutdown(wait=False)
        if writing not in late:
            self._file.close()


async def _elapsed(sooner: asyncio.Event, longest_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            await sooner.wait()


def _line(entry: Entry) -> bytes:
    try:
        return entry.encoded() + b"\n"
    except Exception:
        # One event that cannot be shown must not keep all that come after it from the log.
        LOST.add("log")
        _log.exception("an audit event cannot be encoded")
        return b""
