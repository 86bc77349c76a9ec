"""Work whose result several wait for, none of whom owns it: it ends when it is done, or when nobody waits for it any more."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Abandoned(Exception):
    """The work was given up before, since nobody waited for it any more: whoever still wants it begins anew."""


class Shared(Generic[T]):
    """Begins at once, in a task of its own. Whoever makes one awaits `result`."""

    def __init__(self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> None:
        self._task = asyncio.get_running_loop().create_task(work, name=name)
        self._waiting = 0
        self._is_abandoned = False

    def when_done(self, call: Callable[[], None]) -> None:
        self._task.add_done_callback(lambda _: call())

    async def result(self) -> T:
        """Raises what the work raises, to each who waits. Who is cancelled, or out of time, leaves the others waiting.

        Raises Abandoned to who comes after the last of them has left.
        """
        if self._is_abandoned:
            raise Abandoned
        self._waiting += 1
        try:
            await asyncio.wait([self._task])
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._is_abandoned = True
                self._task.cancel()
                await asyncio.wait([self._task])
        return self._task.result()
