"""Stored objects by resource and name, to read only: what admission looks into beside the object that is written."""

from collections.abc import Iterator

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
        return _value(self._store.get(_key(resource, namespace, name)))

    def latest(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """As writes leave it that are still on their way to disk."""
        return _value(self._store.latest(_key(resource, namespace, name)))

    def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        """All of a namespace, or of all namespaces."""
        return list(self.all_named(resource.group_resource, namespace))

    def first(self, resource: Resource, namespace: str, most: int) -> tuple[list[Object], int]:
        """At most so many of a namespace, and how many there are."""
        records = self._store.scan(f"/{resource.group_resource}/{namespace}/")
        return [record.peek() for record in records[:most]], len(records)

    def all_named(self, group_resource: str, namespace: str) -> Iterator[Object]:
        """As `all`, of a resource that is known by its name alone and may not exist; objects are decoded one by one."""
        prefix = f"/{group_resource}/{namespace}/" if namespace else f"/{group_resource}/"
        return (record.peek() for record in self._store.scan(prefix))


def _key(resource: Resource, namespace: str, name: str) -> str:
    return f"/{resource.group_resource}/{namespace}/{name}"


def _value(record: Record | None) -> Object | None:
    return None if record is None else record.value
