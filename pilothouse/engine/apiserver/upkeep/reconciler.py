"""A queue of keys that the store's changes fill and one task empties.

Level-triggered: `mend` is given a key and looks at what is stored. What fails is tried again with a growing pause; the keys of a burst
are mended together, and there is a pause before each round, so that a change that mending itself makes cannot spin.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.engine.store.errors import StoreClosed

_log = structlog.get_logger("apiserver")

_PAUSE_S = 0.02


class Reconciler:
    """name: for the log. mend: must be safe to call for a key that is right, or gone."""

    def __init__(self, name: str, mend: Callable[[str], Awaitable[None]]) -> None:
        self._name = name
        self._mend = mend
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()

    def note(self, key: str) -> None:
        """May be called from a watch: returns at once."""
        self._dirty[key] = None
        self._wake.set()

    async def run(self) -> None:
        """Works until it is cancelled or the store is closed."""
        backoff = Backoff(0.5, cap_s=60.0)
        while True:
            await self._wake.wait()
            await asyncio.sleep(_PAUSE_S)
            self._wake.clear()
            keys, self._dirty = self._dirty, {}
            try:
                failed = [key for key in keys if not await self._is_mended(key)]
            except StoreClosed:
                return
            if failed:
                self._dirty |= dict.fromkeys(failed)
                self._wake.set()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()

    async def _is_mended(self, key: str) -> bool:
        """Raises StoreClosed."""
        try:
            await self._mend(key)
        except StoreClosed:
            raise
        except Exception:  # A key that cannot be mended must not keep the others waiting for ever.
            _log.exception("not mended, tried again", reconciler=self._name, key=key)
            return False
        return True
