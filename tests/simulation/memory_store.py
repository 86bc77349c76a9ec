"""The store without a disk and without a thread: what is written is committed by the event loop's next turn."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pilothouse.engine.store.history import History, Limits
from pilothouse.engine.store.shelves import Shelves
from pilothouse.engine.store.store import Store
from pilothouse.engine.store.watches import Watches
from pilothouse.engine.store.writer import Write


class _InPlaceWriter:
    def __init__(self, committed: Callable[[list[Write]], None]) -> None:
        self._committed = committed

    def put(self, item: Any) -> None:
        if isinstance(item, Write):
            asyncio.get_running_loop().call_soon(self._committed, [item])


class MemoryStore(Store):
    """Passes the store's contract; keeps nothing."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.revision = 0
        self._shelves = Shelves()
        self._history = History(limits or Limits(), 0)
        self._clock = time.time
        self._watches = Watches()
        self._assigned = 0
        self._pending = {}
        self._waiting = 0
        self._garbage = []
        self._closed = False
        self._writer = _InPlaceWriter(self._commit)  # type: ignore[assignment]


@asynccontextmanager
async def memory_store() -> AsyncIterator[MemoryStore]:
    yield MemoryStore()
