"""Answers that are remembered for a while, at most so many; those that several wait for are asked for once."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from pilothouse.aio.sharing import Shared

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Expiring(Generic[K, V]):
    """lifetime_s: of an answer. most: answers that are kept; of more, those asked for longest ago go."""

    def __init__(self, lifetime_s: Callable[[V], float], most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s = lifetime_s
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asking: dict[K, Shared[V]] = {}

    async def get(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Raises what asking raises, which is not remembered."""
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[0]:
            self._kept.move_to_end(key)
            return kept[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = Shared(self._ask(key, ask), name="review")
            asking.when_done(lambda: self._done(key, asking))
        return await asking.result()

    def _done(self, key: K, asked: "Shared[V] | None") -> None:
        if self._asking.get(key) is asked:
            del self._asking[key]

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        found = await ask()
        self._kept[key] = (self._clock() + self._lifetime_s(found), found)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found
