"""Parts of a process over shared informers, each of which can fail and be made anew without the others.

A part registers callbacks with informers when it is built. One that is built again must not leave the callbacks of its predecessor
behind, and a callback that raises must end its own part alone: the news it could not take cannot be told again, so the part is built
afresh and sees the cache as a whole.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pilothouse.aio.tasks import first_of
from pilothouse.client.informer import ChangeCallback, Informer
from pilothouse.client.informers import Informers
from pilothouse.model.json import Object


class Runnable(Protocol):
    def run(self, ready: asyncio.Event) -> Coroutine[Any, Any, None]:
        """Sets the event when it works; runs until it is cancelled."""
        ...


class Part:
    """make: builds the part; called at once, so that the informers learn what is needed before they run, and again after each failure."""

    def __init__(self, informers: Informers, make: Callable[[], Runnable]) -> None:
        self._informers = informers
        self._make = make
        self._built: _Built | None = _Built(informers, make)

    async def run(self, ready: asyncio.Event) -> None:
        """Run the part until it fails or is cancelled; may be called again after that, when the part is built anew."""
        built, self._built = self._built or _Built(self._informers, self._make), None
        try:
            await first_of(built.runnable.run(ready), built.broken())
        finally:
            built.close()


class _Built:
    """A part with the callbacks that it registered while it was made."""

    def __init__(self, informers: Informers, make: Callable[[], Runnable]) -> None:
        before = {id(informer): len(informer.callbacks) for informer in informers.all()}
        self._failure: Exception | None = None
        self._failed = asyncio.Event()
        self._guards: list[tuple[Informer, ChangeCallback]] = []
        self.runnable = make()
        for informer in informers.all():
            for callback in informer.callbacks[before.get(id(informer), 0) :]:
                self._guard(informer, callback)

    def _guard(self, informer: Informer, callback: ChangeCallback) -> None:
        def guarded(old: Object | None, new: Object | None) -> None:
            if self._failure is not None:
                return
            try:
                callback(old, new)
            except Exception as error:
                self._failure = error
                self._failed.set()

        informer.replace_callback(callback, guarded)
        self._guards.append((informer, guarded))

    async def broken(self) -> None:
        """Raises what one of the callbacks has raised, once it does."""
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    def close(self) -> None:
        for informer, guard in self._guards:
            informer.replace_callback(guard, None)
        self._guards.clear()
