"""What a stage is, and how stages become one handler."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from pilothouse.engine.apiserver.chain.routes import Answer
from pilothouse.engine.apiserver.request.negotiate import Accepted
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.errors import ApiError

Handler = Callable[[ApiRequest], Awaitable[Any]]
"""Gives what the outlet makes of the answer."""

Stage = Callable[[ApiRequest, Handler], Awaitable[Any]]
"""Called with the request and with what comes after the stage; raises ApiError to refuse."""


class Outlet(Protocol):
    """How answers leave: over HTTP, or as values for a caller in this process."""

    async def deliver(self, request: ApiRequest, answer: Answer, accepted: Accepted) -> Any:
        """Raises ApiError for what cannot be shown as asked for."""
        ...

    async def refuse(self, request: ApiRequest, failure: ApiError) -> Any: ...


def chained(stages: Sequence[Stage], last: Handler) -> Handler:
    """The first stage is the outermost."""
    for stage in reversed(stages):
        last = _before(stage, last)
    return last


def _before(stage: Stage, proceed: Handler) -> Handler:
    def handle(request: ApiRequest) -> Awaitable[Any]:
        return stage(request, proceed)

    return handle
