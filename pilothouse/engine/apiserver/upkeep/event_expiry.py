"""Deletes Events an hour after they were last written.

The store knows no expiry, so the times are kept here: of a write that is seen, its moment; of Events that are there at the start, the
latest time they state. Source: kube-apiserver's --event-ttl (1 h).
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.aio.tasks import each
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.store.errors import Mismatch, StorageFailed, StoreBusy, StoreClosed
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object

PREFIX = "/events/"
LIFETIME_S = 3600.0
MOST_AT_ONCE = 500
_AT_A_TIME = 100
_BETWEEN_SWEEPS_S, _BETWEEN_PARTS_S = 30.0, 1.0


class EventExpiry:
    """An index (see `follow`) of when each Event was last written, oldest first."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._written: dict[str, float] = {}
        self._is_filled = False

    def start(self) -> None:
        follow(self._store, (PREFIX,), self)
        self._written = dict(sorted(self._written.items(), key=lambda entry: entry[1]))
        self._is_filled = True

    def put(self, key: str, value: Object) -> None:
        self._written.pop(key, None)
        now = self._clock()
        self._written[key] = now if self._is_filled else min(now, _stated_time(value))

    def drop(self, key: str) -> None:
        self._written.pop(key, None)

    def clear(self) -> None:
        self._written.clear()

    async def run(self) -> None:
        """Works until it is cancelled."""
        self.start()
        while True:
            is_more = await self.sweep()
            await asyncio.sleep(_BETWEEN_PARTS_S if is_more else _BETWEEN_SWEEPS_S)

    async def sweep(self) -> bool:
        """Delete Events whose time is over; whether there may be more of them."""
        expired: list[str] = []
        for key, written_at in self._written.items():
            if written_at + LIFETIME_S > self._clock() or len(expired) == MOST_AT_ONCE:
                break
            expired.append(key)
        await each([self._delete(key) for key in expired], limit=_AT_A_TIME)
        return len(expired) == MOST_AT_ONCE

    async def _delete(self, key: str) -> None:
        record = self._store.latest(key)
        if record is None:
            return
        try:
            await self._store.delete(key, expected=record.revision)
        except (Mismatch, StorageFailed, StoreBusy, StoreClosed):
            return  # The next sweep looks at it again.


def _stated_time(event: Object) -> float:
    """The latest of the times that the Event states; of one that states none, long ago."""
    stated = (
        event["metadata"].get("creationTimestamp"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        (event.get("series") or {}).get("lastObservedTime"),
    )
    return max((meta.parse_rfc3339(text) for text in stated if text), default=0.0)
