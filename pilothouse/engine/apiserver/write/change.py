"""The seam between verbs and the write path: what is to be written where, how an attempt begins, and how it is stored."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.context import Budget, Charged, Operation, View, Write, uncharged
from pilothouse.engine.apiserver.answer import Stored
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write.ownership import Manage
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.store import Store
from pilothouse.model import weight
from pilothouse.model.json import Object

_LARGE_PARTS = 2_000
"""Of values: decoding, defaulting and judging one takes some five microseconds, and who waits for another thread 200."""


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One object (or a subresource of it) that a user wants to write. name: "" when it is to be generated.

    manage: writes the managers of the new value's fields into it, before admission.
    deadline: in the event loop's time, None for no other end than the client's. annotate, view, is_admitted, charged, conditions: see
    `admission.context.Write`.
    options: what the client states beside the object. parts: about how many values the client has sent.
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
    annotate: Callable[[str, str], None] = lambda key, text: None
    options: Object = field(default_factory=dict)
    view: View | None = None
    is_admitted: bool = False
    parts: int = 0
    charged: Charged = uncharged
    conditions: Budget = field(default_factory=Budget)

    def is_large(self, stored: bytes = b"") -> bool:
        """Whether working on the object would hold the event loop for long. stored: what is there, as JSON."""
        return (self.parts + weight.parts(stored)) * self.served.breadth > _LARGE_PARTS

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
            self.annotate,
            self.options,
            self.view,
            self.is_admitted,
            self.charged,
            self.conditions,
        )


class Outcome(NamedTuple):
    """The object as it is stored, or would be; of one that is gone, as it last was. From the write path: as the version shows it."""

    record: Stored
    is_gone: bool = False


Lost = Mismatch | KeyExists
"""Somebody else was quicker."""


class Change(Protocol):
    """A write of one request. Its methods are called in this order, and again from the first when the commit was lost.

    All of them raise ApiError to refuse. None keeps anything from one attempt to the next but what the client stated.
    """

    @property
    def is_large(self) -> bool:
        """Whether `prepare` takes so long that it belongs beside the event loop."""
        ...

    async def begin(self, store: Store, beside: Beside) -> Write:
        """Read what is stored, as the request's version shows it, check preconditions, and make the new value of it."""
        ...

    def prepare(self, write: Write, context: Context) -> None:
        """After mutating admission: what the server owns is set, and the object is judged. May be called in a thread."""
        ...

    async def commit(self, store: Store, write: Write, stored: Object | None) -> Outcome:
        """Compare and swap; raises the store's Mismatch or KeyExists. Nothing is awaited before the store is called.

        stored: the new value in the shape of the store, which is also that of the outcome.
        """
        ...

    def lost(self, write: Write, error: Lost, *, is_last: bool) -> None:
        """Raise what the client is told; return when the change may be tried again."""
        ...
