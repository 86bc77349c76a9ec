"""Who is told of which change: sinks by the prefix they watch, so that a change costs nothing to those it does not concern."""

import asyncio
from collections.abc import Callable

from pilothouse.engine.store.record import Change
from pilothouse.engine.store.shelves import prefixes

Sink = Callable[[Change], None]
"""Called in revision order on the event loop; must be quick. One that raises is closed: it has lost its place in the order."""

Broken = Callable[[str], None]
"""Called with the reason when a sink that must not miss a change has failed."""


class Watch:
    """A registered sink. After `close` it is called no more."""

    __slots__ = ("_watches", "internal", "prefix", "sink")

    def __init__(self, watches: "Watches", prefix: str, sink: Sink, internal: bool) -> None:
        self._watches = watches
        self.prefix = prefix
        self.sink = sink
        self.internal = internal

    def close(self) -> None:
        self._watches.remove(self)


class Watches:
    def __init__(self, broken: Broken) -> None:
        self._broken = broken
        self._by_prefix: dict[str, dict[Watch, None]] = {}

    def add(self, prefix: str, sink: Sink, internal: bool) -> Watch:
        watch = Watch(self, prefix, sink, internal)
        self._by_prefix.setdefault(prefix, {})[watch] = None
        return watch

    def remove(self, watch: Watch) -> None:
        watching = self._by_prefix.get(watch.prefix, {})
        watching.pop(watch, None)
        if not watching:
            self._by_prefix.pop(watch.prefix, None)

    def publish(self, change: Change) -> None:
        for prefix in prefixes(change.key):
            watching = self._by_prefix.get(prefix)
            if watching is not None:
                for watch in tuple(watching):
                    if watch in watching:  # A sink may close another watch.
                        self._tell(watch, change)

    def _tell(self, watch: Watch, change: Change) -> None:
        # WHY every exception: a watcher's bug must not take the batch along, whose writes are on disk and wait for their answer.
        try:
            watch.sink(change)
        except Exception as error:
            watch.close()
            told = {"message": f"a watch of {watch.prefix} failed and is closed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
            if watch.internal:
                self._broken(f"what follows {watch.prefix} failed at revision {change.revision} ({type(error).__name__}: {error})")
