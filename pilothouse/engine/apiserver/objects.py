"""Stored objects by resource and name, to read only: what admission looks into beside the object that is written."""

from pilothouse.engine.apiserver.resources.keys import key_of, prefix_of
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


class Objects:
    """namespace: "" for objects of the cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """As of the last commit."""
        return _value(self._store.get(key_of(resource, namespace, name)))

    def peek(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """As `get`, of an object that nobody will ask for again soon: its decoded value is not kept."""
        record = self._store.get(key_of(resource, namespace, name))
        return None if record is None else record.peek()

    def latest(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """As writes leave it that are still on their way to disk."""
        return _value(self._store.latest(key_of(resource, namespace, name)))

    def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        """All of a namespace, or of all namespaces."""
        return [record.peek() for record in self._store.scan(prefix_of(resource, namespace))]

    def having(self, resource: Resource, text: bytes) -> list[Object]:
        """Of all namespaces, those with the text somewhere in their JSON: the others are not decoded."""
        return [record.peek() for record in self._store.scan(prefix_of(resource)) if text in record.raw]

    def first(self, resource: Resource, namespace: str, most: int) -> tuple[list[Object], int]:
        """At most so many of a namespace, and how many there are."""
        records = self._store.scan(prefix_of(resource, namespace))
        return [record.peek() for record in records[:most]], len(records)


def _value(record: Record | None) -> Object | None:
    return None if record is None else record.value
