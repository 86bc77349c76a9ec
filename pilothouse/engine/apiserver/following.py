"""Indexes over the store's objects that stay right whatever an object contains.

Authorization and allocation rest on such indexes, so one may neither stop following after a failure nor keep what it could not change:
an object that an index cannot take in is left out of it (a binding grants nothing then), and the index is built anew when it cannot
take an object out.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import structlog

from pilothouse.engine.apiserver.resources.keys import place_of, prefix_of
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

_log = structlog.get_logger("apiserver")


class Index(Protocol):
    """put replaces what the index has of the key. drop: of a key that may not be there."""

    def put(self, key: str, value: Object) -> None: ...
    def drop(self, key: str) -> None: ...
    def clear(self) -> None: ...


class ResourceIndex(Protocol):
    """As `Index`, of one resource's objects by namespace ("" for objects of the cluster) and name."""

    def put(self, namespace: str, name: str, value: Object) -> None: ...
    def drop(self, namespace: str, name: str) -> None: ...
    def clear(self) -> None: ...


def follow_resource(store: Store, resource: Resource, index: ResourceIndex) -> None:
    """As `follow`, of one resource."""
    follow(store, (prefix_of(resource),), _ByPlace(index))


def follow(store: Store, prefixes: Sequence[str], index: Index) -> None:
    """Fill the index with what is stored below the prefixes, and keep it so: changes reach it before their writes are answered."""
    follower = _Follower(store, tuple(prefixes), index)
    follower.fill()
    for prefix in prefixes:
        store.watch(prefix, store.revision, follower.apply, internal=True)


class _ByPlace:
    def __init__(self, index: ResourceIndex) -> None:
        self.index = index
        self.clear = index.clear

    def put(self, key: str, value: Object) -> None:
        self.index.put(*place_of(key), value)

    def drop(self, key: str) -> None:
        self.index.drop(*place_of(key))


class _Follower:
    def __init__(self, store: Store, prefixes: tuple[str, ...], index: Index) -> None:
        self._store = store
        self._prefixes = prefixes
        self._index = index
        self._name = type(index.index if isinstance(index, _ByPlace) else index).__name__

    def fill(self) -> None:
        for record in self._records():
            self._put(record.key, record.peek())

    def apply(self, change: Change) -> None:
        if change.type == "DELETED":
            self._drop(change.key)
        else:
            self._put(change.key, change.record.value)

    def _put(self, key: str, value: Object) -> None:
        try:
            self._index.put(key, value)
        except Exception:  # Whatever is wrong with one object must not end the following of all others.
            _log.exception("an index leaves an object out", index=self._name, key=key)
            self._drop(key)

    def _drop(self, key: str) -> None:
        try:
            self._index.drop(key)
        except Exception:
            _log.exception("an index is built anew", index=self._name, key=key)
            self._index.clear()
            for record in self._records():
                self._put_again(record)

    def _records(self) -> Iterator[Record]:
        for prefix in self._prefixes:
            yield from self._store.scan(prefix)

    def _put_again(self, record: Record) -> None:
        try:
            self._index.put(record.key, record.peek())
        except Exception:
            _log.exception("an index leaves an object out", index=self._name, key=record.key)
