"""The seam between verbs and the write path: what is to be written where, how an attempt begins, and how it is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pilothouse.engine.apiserver.admission.context import Operation, Write
from pilothouse.engine.apiserver.answer import Stored
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write.ownership import Manage
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One object (or a subresource of it) that a user wants to write. name: "" when it is to be generated.

    manage: writes the managers of the new value's fields into it, before admission.
    deadline: in the event loop's time, None for no other end than the client's.
    """

    served: ServedResource
    namespace: str
    name: str
    user: User
    warn: Callable[[str], None]
    manage: Manage
    subresource: str = ""
    dry_run: bool = False
    deadline: float | None = None

    def attempt(self, operation: Operation, value: Object | None, old: Object | None, *, name: str | None = None) -> Write:
        """name: None for the one that was asked for."""
        return Write(
            operation,
            self.served,
            self.namespace,
            self.name if name is None else name,
            self.user,
            value,
            old,
            self.subresource,
            self.dry_run,
            self.warn,
            self.deadline,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The object as it is stored, or would be; of one that is gone, as it last was."""

    record: Stored
    is_gone: bool = False


Lost = Mismatch | KeyExists
"""Somebody else was quicker."""


class Change(Protocol):
    """A write of one request. Its methods are called in this order, and again from the first when the commit was lost.

    All of them raise ApiError to refuse. None keeps anything from one attempt to the next but what the client stated.
    """

    def begin(self, store: Store) -> Write:
        """Read what is stored, check preconditions, and make the new value of it."""
        ...

    def prepare(self, write: Write, context: Context) -> None:
        """After mutating admission: what the server owns is set, and the object is judged."""
        ...

    async def commit(self, store: Store, write: Write) -> Outcome:
        """Compare and swap; raises the store's Mismatch or KeyExists. Nothing is awaited before the store is called."""
        ...

    def lost(self, write: Write, error: Lost, *, is_last: bool) -> None:
        """Raise what the client is told; return when the change may be tried again."""
        ...
