"""A queue of keys that the store's changes fill and one task empties.

Level-triggered: `mend` is given a key and looks at what is stored. A key that fails is tried again by itself, after pauses that grow, and
soon when it is noted; it holds up no other. The keys of a burst are mended together, and rounds do not begin faster than `floor_s`
apart, so that a change that mending itself makes cannot spin.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.engine.store.errors import StoreClosed

_log = structlog.get_logger("apiserver")

_FLOOR_S = 0.02
_PATIENCE_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_SOON_S = 1.0
"""Between two attempts at a key that fails, however often it is noted: what others do to it must not make it dear."""

_Waiting = list["asyncio.Future[None]"]
"""Those who wait for a key."""


@dataclass(slots=True)
class _Failing:
    """A key that could not be mended. tried_at, due_at: times of the event loop; timer: of the next attempt, None while it is under way."""

    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S))
    waiting: _Waiting = field(default_factory=list)
    tried_at: float = 0.0
    due_at: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Reconciler:
    """name: for the log. mend: must be safe to call for a key that is right, or gone; it may note the key again to go on later."""

    def __init__(self, name: str, mend: Callable[[str], Awaitable[None]], *, floor_s: float = _FLOOR_S) -> None:
        self._name = name
        self._mend = mend
        self._floor_s = floor_s
        self._dirty: dict[str, _Waiting] = {}
        self._round: dict[str, _Waiting] = {}
        self._failing: dict[str, _Failing] = {}
        self._wake = asyncio.Event()

    def note(self, key: str) -> None:
        """May be called from a watch: returns at once."""
        failing = self._failing.get(key)
        if failing is None or failing.timer is None:
            self._dirty.setdefault(key, [])
            self._wake.set()
        else:
            self._try_at(key, failing, min(failing.due_at, failing.tried_at + _SOON_S))

    def _try_at(self, key: str, failing: _Failing, at: float) -> None:
        if failing.timer is None or at < failing.due_at:
            failing.stop_timer()
            failing.due_at = at
            failing.timer = asyncio.get_running_loop().call_at(at, self._try_again, key, failing)

    def _try_again(self, key: str, failing: _Failing) -> None:
        failing.timer = None
        self._dirty.setdefault(key, []).extend(failing.waiting)
        failing.waiting = []
        self._wake.set()

    async def caught_up(self, key: str) -> None:
        """Returns once a key that has been noted is mended, or after a moment, whether it is or not."""
        failing = self._failing.get(key)
        places = (self._dirty.get(key), self._round.get(key), None if failing is None else failing.waiting)
        waiting = next((place for place in places if place is not None), None)
        if waiting is None:
            return
        mended = asyncio.get_running_loop().create_future()
        waiting.append(mended)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await mended

    async def run(self) -> None:
        """Works until it is cancelled or the store is closed."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                began_at = loop.time()
                self._wake.clear()
                self._round, self._dirty = self._dirty, {}
                await self._mend_round()
                await asyncio.sleep(max(0.0, began_at + self._floor_s - loop.time()))
        except StoreClosed:
            return
        finally:
            for failing in self._failing.values():
                failing.stop_timer()

    async def _mend_round(self) -> None:
        """Raises StoreClosed."""
        for key in tuple(self._round):
            try:
                await self._mend(key)
            except StoreClosed:
                raise
            except Exception as error:
                self._put_off(key, self._round.pop(key), error)
            else:
                self._failing.pop(key, None)
                _tell(self._round.pop(key))

    def _put_off(self, key: str, waiting: _Waiting, error: Exception) -> None:
        """To its next attempt, which comes soon if it has been noted meanwhile."""
        failing = self._failing.setdefault(key, _Failing())
        failing.tried_at = asyncio.get_running_loop().time()
        pause_s = failing.backoff.next_s()
        if failing.backoff.attempts == 1:
            _log.error("not mended, tried again", reconciler=self._name, key=key, exc_info=error)
        else:
            what = {"reconciler": self._name, "key": key, "attempts": failing.backoff.attempts, "again_in_s": pause_s}
            _log.warning("still not mended", error=str(error), **what)
        noted = self._dirty.pop(key, None)
        failing.waiting += [each for each in (*waiting, *(noted or ())) if not each.done()]
        self._try_at(key, failing, failing.tried_at + (pause_s if noted is None else min(pause_s, _SOON_S)))


def _tell(waiting: _Waiting) -> None:
    for mended in waiting:
        if not mended.done():
            mended.set_result(None)
