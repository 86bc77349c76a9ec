"""Methods of the Container Storage Interface behind a unix socket."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from pilothouse.engine.csi.methods import Method

Handler = Callable[[Any], Coroutine[Any, Any, Message]]
Handlers = list[tuple[Method[Any, Any], Handler]]


class Refused(Exception):
    """What a method answers instead of its answer. code: gRPC's name of a status."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@asynccontextmanager
async def serving(socket: Path, handlers: Iterable[tuple[Method[Any, Any], Handler]]) -> AsyncIterator[None]:
    """Answers at the socket as long as it is entered; a socket that an earlier server left there is replaced."""
    socket.unlink(missing_ok=True)
    server = grpc.aio.server()
    services: dict[str, dict[str, Any]] = {}
    for method, handler in handlers:
        services.setdefault(method.service, {})[method.name] = grpc.unary_unary_rpc_method_handler(
            _answering(handler), method.request.FromString, method.answer.SerializeToString
        )
    server.add_generic_rpc_handlers(tuple(grpc.method_handlers_generic_handler(*each) for each in services.items()))
    server.add_insecure_port(f"unix://{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
        socket.unlink(missing_ok=True)


def _answering(handler: Handler) -> Callable[[Message, Any], Awaitable[Message]]:
    async def answer(request: Message, context: Any) -> Message:
        try:
            return await handler(request)
        except Refused as error:
            await context.abort(grpc.StatusCode[error.code], str(error))
            raise AssertionError("abort raises") from error

    return answer
