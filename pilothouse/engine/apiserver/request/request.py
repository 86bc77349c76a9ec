"""A request on its way through the pipeline: what every stage reads and what decoding adds."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pilothouse.engine.apiserver.identity import ANONYMOUS, User
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.annotations import Annotations
from pilothouse.engine.apiserver.request.body import Document, Unparsable
from pilothouse.engine.apiserver.request.query import Query
from pilothouse.engine.apiserver.request.routing import Target, verb_of
from pilothouse.engine.apiserver.request.warnings import Warnings
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.wire.messages import Request

T = TypeVar("T")


class Headers(Protocol):
    """Case-insensitive request headers; `get` gives the first value."""

    def get(self, name: str, /) -> str | None: ...
    def get_all(self, name: str, /) -> list[str]: ...


class Audit(Protocol):
    """What auditing wants to hear of a request on its way."""

    @property
    def is_recorded(self) -> bool:
        """Whether anything of it is, as far as is known."""
        ...

    async def identified(self) -> None:
        """Who asks is known. Raises ApiError."""
        ...

    def permitted(self, table: ServedResources) -> None:
        """The request is about to be carried out."""
        ...

    def answered(self, answer: object, *, is_long: bool) -> None:
        """The answer is about to go out. is_long: and may take as long as its client wants."""
        ...


class PlainHeaders:
    """Headers of a request that never was on a wire; names are given in lower case."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get(self, name: str, /) -> str | None:
        return self._values.get(name.lower())

    def get_all(self, name: str, /) -> list[str]:
        value = self._values.get(name.lower())
        return [] if value is None else [value]


class Seat(Protocol):
    """A request's place among those in execution."""

    async def turn(self) -> None:
        """Let others go first if it is their turn: called between slices of long work."""
        ...

    async def charged(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that is done for this request in a task of its own."""
        ...

    async def rejoin(self) -> None:
        """After a wait for something else: returns at once while nobody waits for a turn."""
        ...

    def release(self) -> None:
        """The request needs no place any more: what follows is bounded otherwise. May be called again."""
        ...


@dataclass(slots=True)
class ApiRequest:
    """method, target, query, headers: as sent. body: bytes from a wire, or the decoded value from this process.

    verb: the verb of authorization, which is also the name of the module in `verbs/` that serves it.
    warnings: texts for Warning headers, in order; stages add theirs with `warn`. annotations: for the audit log, likewise with `annotate`.
    http: what came over the wire; None for a request of this process, whose user is known. status: of the answer, set by dispatch.
    deadline: in the event loop's time, None for requests that take as long as they take.
    audit: None while nothing is recorded of any request.
    parsed: the body or why it is none, where it has been parsed ahead. seat: None for what fairness does not hold up.
    stated_name: of the object that a create brings, once it has been read.
    """

    method: str
    target: Target
    query: Query
    headers: Headers
    body: Any = b""
    user: User = ANONYMOUS
    verb: str = ""
    warnings: Warnings = field(default_factory=Warnings)
    annotations: Annotations = field(default_factory=Annotations)
    too_large: bool = False
    parsed: Document | Unparsable | None = None
    deadline: float | None = None
    http: Request | None = None
    audit: Audit | None = None
    status: int = 200
    seat: Seat | None = None
    stated_name: str = ""

    def __post_init__(self) -> None:
        if not self.verb:
            self.verb = _verb_of(self)

    @property
    def namespace(self) -> str:
        return self.target.namespace

    @property
    def name(self) -> str:
        return self.target.name

    def option(self, name: str) -> str:
        """The first value of a query parameter, "" when absent."""
        return queries.first(self.query, name)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type") or ""

    @property
    def accept(self) -> str:
        return self.headers.get("accept") or ""

    async def turn(self) -> None:
        """Between slices of work that would hold the event loop for long."""
        if self.seat is None:
            await asyncio.sleep(0)
        else:
            await self.seat.turn()

    async def charged(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of work that is done in a task of its own: its time counts as this request's."""
        return await (work() if self.seat is None else self.seat.charged(work()))

    def release(self) -> None:
        """Of its seat, if it has one: what follows is bounded otherwise."""
        if self.seat is not None:
            self.seat.release()

    def warn(self, text: str) -> None:
        self.warnings.add(text)

    def annotate(self, key: str, text: str) -> None:
        self.annotations.add(key, text)


def _verb_of(request: ApiRequest) -> str:
    """The verb of authorization; a collection read with `watch` (in any form that is not false) is a watch."""
    verb = verb_of(request.method, request.target)
    if verb == "list" and (request.target.deprecated_watch or queries.boolean(request.query, "watch")):
        return "watch"
    return "watch" if verb == "get" and request.target.deprecated_watch else verb
