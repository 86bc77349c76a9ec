"""A queue of keys that the store's changes fill and one task empties.

Level-triggered: `mend` is given a key and looks at what is stored. What fails is tried again with a growing pause; the keys of a burst
are mended together, and rounds do not begin faster than `_FLOOR_S` apart, so that a change that mending itself makes cannot spin.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.engine.store.errors import StoreClosed

_log = structlog.get_logger("apiserver")

_FLOOR_S = 0.02
_PATIENCE_S = 1.0

_Waiting = dict[str, list["asyncio.Future[None]"]]
"""Keys, each with those who wait for it."""


class Reconciler:
    """name: for the log. mend: must be safe to call for a key that is right, or gone; it may note the key again to go on later."""

    def __init__(self, name: str, mend: Callable[[str], Awaitable[None]]) -> None:
        self._name = name
        self._mend = mend
        self._dirty: _Waiting = {}
        self._round: _Waiting = {}
        self._wake = asyncio.Event()

    def note(self, key: str) -> None:
        """May be called from a watch: returns at once."""
        self._dirty.setdefault(key, [])
        self._wake.set()

    async def caught_up(self, key: str) -> None:
        """Returns once a key that has been noted is mended, or after a moment, whether it is or not."""
        waiting = self._dirty.get(key)
        if waiting is None:
            waiting = self._round.get(key)
        if waiting is None:
            return
        mended = asyncio.get_running_loop().create_future()
        waiting.append(mended)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await mended

    async def run(self) -> None:
        """Works until it is cancelled or the store is closed."""
        backoff = Backoff(0.5, cap_s=60.0)
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            began_at = loop.time()
            self._wake.clear()
            self._round, self._dirty = self._dirty, {}
            try:
                has_failed = await self._mend_round()
            except StoreClosed:
                return
            if has_failed:
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()
                await asyncio.sleep(max(0.0, began_at + _FLOOR_S - loop.time()))

    async def _mend_round(self) -> bool:
        """Whether something has to be tried again. Raises StoreClosed."""
        has_failed = False
        for key in tuple(self._round):
            is_mended = await self._is_mended(key)
            waiting = self._round.pop(key)
            if is_mended:
                _tell(waiting)
            else:
                has_failed = True
                self._dirty.setdefault(key, []).extend(waiting)
                self._wake.set()
        return has_failed

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


def _tell(waiting: list["asyncio.Future[None]"]) -> None:
    for mended in waiting:
        if not mended.done():
            mended.set_result(None)
