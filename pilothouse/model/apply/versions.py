"""The versions of an object in which its managers know its fields.

What a manager owns is kept in the names of the version that it wrote in. So what became of its fields is found out by comparing the object
before and after, both converted to that version; the sets themselves are never converted.
Source: sigs.k8s.io/structured-merge-diff/merge, update.go.
"""

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from pilothouse.model.apply.managers import Manager, Owned
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node

T = TypeVar("T")


class Versions(Protocol):
    """Of one resource. Versions are named as in `apiVersion`."""

    @property
    def own(self) -> str:
        """The one that the request speaks."""
        ...

    def schema(self, version: str) -> Node: ...

    async def converted(self, values: Sequence[Object], source: str, target: str) -> list[Object] | None:
        """None when there is no such target any more. Raises what a conversion raises that fails."""
        ...


class OneVersion:
    """Of a resource whose objects have the same fields whatever a manager calls their version."""

    def __init__(self, own: str, schema: Node) -> None:
        self.own = own
        self._schema = schema

    def schema(self, version: str) -> Node:
        return self._schema

    async def converted(self, values: Sequence[Object], source: str, target: str) -> list[Object] | None:
        return list(values)


def version_of(manager: Manager, owned: Owned) -> str:
    return manager.version or owned.version


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of work over `OneVersion`, which never waits for anything."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    work.close()
    raise RuntimeError("this work has to be awaited")
