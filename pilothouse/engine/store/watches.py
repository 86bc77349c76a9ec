"""Who is told of which change: sinks by the prefix they watch and by the value they select, so that a change costs nothing to others."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pilothouse.engine.store.record import Change
from pilothouse.engine.store.shelves import prefixes
from pilothouse.model.json import Object

Sink = Callable[[Change], None]
"""Called in revision order on the event loop; must be quick. One that raises is closed: it has lost its place in the order."""

Broken = Callable[[str], None]
"""Called with the reason when a sink that must not miss a change has failed."""


class Field(NamedTuple):
    """read: an object's fields by name; equal for all who select by the same fields."""

    name: str
    read: Callable[[Object], Mapping[str, str]]


class Selection(NamedTuple):
    """The objects whose field has this value; an absent field counts as empty."""

    field: Field
    value: str


class Watch:
    """A registered sink. After `close` it is called no more."""

    __slots__ = ("_watches", "internal", "is_closed", "prefix", "selection", "sink")

    def __init__(self, watches: "Watches", prefix: str, sink: Sink, selection: Selection | None, internal: bool) -> None:
        self._watches = watches
        self.prefix = prefix
        self.sink = sink
        self.selection = selection
        self.internal = internal
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
        self._watches.remove(self)


_Members = dict[Watch, None]
"""An ordered set."""


class _Audience:
    """All that watch one prefix: those who want everything, and the others by the value of the field that they select by."""

    __slots__ = ("everything", "selecting")

    def __init__(self) -> None:
        self.everything: _Members = {}
        self.selecting: dict[Field, dict[str, _Members]] = {}

    def __bool__(self) -> bool:
        return bool(self.everything or self.selecting)

    def add(self, watch: Watch) -> None:
        selection = watch.selection
        if selection is None:
            self.everything[watch] = None
        else:
            self.selecting.setdefault(selection.field, {}).setdefault(selection.value, {})[watch] = None

    def remove(self, watch: Watch) -> None:
        if watch.selection is None:
            self.everything.pop(watch, None)
            return
        field, value = watch.selection
        by_value = self.selecting.get(field, {})
        members = by_value.get(value, {})
        members.pop(watch, None)
        if not members:
            by_value.pop(value, None)
        if not by_value:
            self.selecting.pop(field, None)

    def concerned(self, change: Change) -> list[Watch]:
        found = list(self.everything)
        for field, by_value in self.selecting.items():
            for value in _values(field, change, by_value):
                found += by_value.get(value, ())
        return found


def _values(field: Field, change: Change, by_value: Mapping[str, _Members]) -> Iterator[str]:
    """What the object has in the field, and what it had before."""
    try:
        values = {field.read(each.value).get(field.name, "") for each in (change.record, change.previous) if each is not None}
    except Exception:  # An object that cannot be read is for the sinks to judge.
        return iter(tuple(by_value))
    return iter(values)


class Watches:
    def __init__(self, broken: Broken) -> None:
        self._broken = broken
        self._by_prefix: dict[str, _Audience] = {}

    def add(self, prefix: str, sink: Sink, selection: Selection | None, internal: bool) -> Watch:
        watch = Watch(self, prefix, sink, selection, internal)
        self._by_prefix.setdefault(prefix, _Audience()).add(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        audience = self._by_prefix.get(watch.prefix)
        if audience is not None:
            audience.remove(watch)
            if not audience:
                del self._by_prefix[watch.prefix]

    def publish(self, change: Change) -> None:
        for prefix in prefixes(change.key):
            audience = self._by_prefix.get(prefix)
            if audience is not None:
                for watch in audience.concerned(change):
                    if watch.is_closed:  # By the sink of another watch.
                        continue
                    # WHY every exception: a watcher's bug must not take the batch along, which is on disk and waits for its answer.
                    try:
                        watch.sink(change)
                    except Exception as error:
                        self._failed(watch, change, error)

    def _failed(self, watch: Watch, change: Change, error: Exception) -> None:
        watch.close()
        told = {"message": f"a watch of {watch.prefix} failed and is closed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(told)
        if watch.internal:
            self._broken(f"what follows {watch.prefix} failed at revision {change.revision} ({type(error).__name__}: {error})")
