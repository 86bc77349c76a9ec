"""Says that the store is full, or about to be: a component that fails until there is room again, so that `ph status` names it."""

import asyncio
from typing import NoReturn

from pilothouse.engine.store.errors import QuotaExceeded
from pilothouse.engine.store.store import Store

NAME = "store room"
LOOKED_AT_EVERY_S = 5.0
_FULL = 0.95
"""Of the quota: below it a write of ordinary size fits, and there is still time to delete something."""


class StoreRoom:
    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def is_full(self) -> bool:
        return self._store.used_bytes >= _FULL * self._store.quota_bytes

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """Works until it is cancelled. Raises QuotaExceeded while the store is full."""
        while True:
            if self.is_full:
                raise QuotaExceeded(self._store.used_bytes, self._store.quota_bytes)
            ready.set()
            await asyncio.sleep(LOOKED_AT_EVERY_S)
