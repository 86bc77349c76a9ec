"""A request on its way through the pipeline: what every stage reads and what decoding adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pilothouse.engine.apiserver.identity import ANONYMOUS, User
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.body import Document, Unparsable
from pilothouse.engine.apiserver.request.query import Query
from pilothouse.engine.apiserver.request.routing import Target, verb_of
from pilothouse.engine.apiserver.request.warnings import Warnings
from pilothouse.wire.messages import Request


class Headers(Protocol):
    """Case-insensitive request headers; `get` gives the first value."""

    def get(self, name: str, /) -> str | None: ...
    def get_all(self, name: str, /) -> list[str]: ...


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


@dataclass(slots=True)
class ApiRequest:
    """method, target, query, headers: as sent. body: bytes from a wire, or the decoded value from this process.

    verb: the verb of authorization, which is also the name of the module in `verbs/` that serves it.
    warnings: texts for Warning headers, in order; stages add theirs with `warn`.
    http: what came over the wire; None for a request of this process, whose user is known. status: of the answer, set by dispatch.
    deadline: in the event loop's time, None for requests that take as long as they take.
    parsed: the body or why it is none, where it has been parsed ahead.
    """

    method: str
    target: Target
    query: Query
    headers: Headers
    body: Any = b""
    user: User = ANONYMOUS
    verb: str = ""
    warnings: Warnings = field(default_factory=Warnings)
    too_large: bool = False
    parsed: Document | Unparsable | None = None
    deadline: float | None = None
    http: Request | None = None
    status: int = 200

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

    def warn(self, text: str) -> None:
        self.warnings.add(text)


def _verb_of(request: ApiRequest) -> str:
    """The verb of authorization; a collection read with `watch` (in any form that is not false) is a watch."""
    verb = verb_of(request.method, request.target)
    if verb == "list" and (request.target.deprecated_watch or queries.boolean(request.query, "watch")):
        return "watch"
    return "watch" if verb == "get" and request.target.deprecated_watch else verb
