"""The store without a disk and without a thread: what is written is committed by the event loop's next turn."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.engine.store import store as store_module
from pilothouse.engine.store.history import History, Limits
from pilothouse.engine.store.loading import Loaded
from pilothouse.engine.store.record import Decoded
from pilothouse.engine.store.room import QUOTA_BYTES, Room
from pilothouse.engine.store.sealing import Plain
from pilothouse.engine.store.shelves import Shelves
from pilothouse.engine.store.store import Store
from pilothouse.engine.store.writer import Chore, QueuedWrite


class _InPlaceWriter:
    def __init__(self, database: Any, reports: Any) -> None:
        self._reports = reports

    def put(self, item: Any) -> None:
        if isinstance(item, QueuedWrite):
            asyncio.get_running_loop().call_soon(self._reports.committed, [item])
        elif isinstance(item, Chore):
            item.done.set_result(None)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the store in memory has no {name}")


class MemoryStore(Store):
    """Passes the store's contract; keeps nothing."""

    def __init__(self, limits: Limits | None = None) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "Writer", _InPlaceWriter)
            no_database: Any = None
            empty = Loaded(Shelves(), History(limits or Limits(), 0), 0, Decoded(), is_stale=False, is_unpurged=False)
            super().__init__(no_database, empty, time.time, Room(0, QUOTA_BYTES), Plain())


@asynccontextmanager
async def memory_store() -> AsyncIterator[MemoryStore]:
    yield MemoryStore()
