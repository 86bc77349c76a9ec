"""Who is told of which change: sinks by the prefix they watch, so that a change costs nothing to those it does not concern."""

from collections.abc import Callable

from pilothouse.engine.store.record import Change
from pilothouse.engine.store.shelves import prefixes

Sink = Callable[[Change], None]
"""Called in revision order on the event loop; must be quick and must not raise."""


class Watch:
    """A registered sink. After `close` it is called no more."""

    __slots__ = ("_watches", "prefix", "sink")

    def __init__(self, watches: "Watches", prefix: str, sink: Sink) -> None:
        self._watches = watches
        self.prefix = prefix
        self.sink = sink

    def close(self) -> None:
        self._watches.remove(self)


class Watches:
    def __init__(self) -> None:
        self._by_prefix: dict[str, dict[Watch, None]] = {}

    def add(self, prefix: str, sink: Sink) -> Watch:
        watch = Watch(self, prefix, sink)
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
                        watch.sink(change)
