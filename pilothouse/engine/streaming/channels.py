"""The channel protocol of exec and attach over a WebSocket: first byte of a message is the stream it belongs to.

0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size. In v5 a message on channel 255 closes the channel it names, which
is how a client says that standard input has ended. Source: apimachinery/pkg/util/httpstream/wsstream, KEP-4006.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from pilothouse.aio.tasks import scope
from pilothouse.client.transport import Socket
from pilothouse.engine.streaming.seams import ExecSession
from pilothouse.model.errors import ApiError
from pilothouse.model.json import JSONError, Object, dumps, loads

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_LARGEST = 32 * 1024


async def run(socket: Socket, start: Awaitable[ExecSession]) -> None:
    """Start a process and serve it; a start that fails is told where the exit code would be."""
    try:
        session = await start
    except ApiError as error:
        await _send(socket, STATUS, dumps(error.to_status()))
        await socket.close()
        return
    await serve(socket, session)


async def serve(socket: Socket, session: ExecSession) -> None:
    """Carry one process's streams until it has ended or the client is gone."""
    try:
        async with scope() as tasks:
            tasks.spawn(_client_gone(socket, session, tasks.cancel))
            outputs = [
                tasks.spawn(_pump(socket, STDOUT, session.stdout())),
                tasks.spawn(_pump(socket, STDERR, session.stderr())),
            ]
            await asyncio.wait(outputs)
            await _send(socket, STATUS, dumps(await outcome(session)))
            tasks.cancel()
    finally:
        await session.close()
        await socket.close()


async def _client_gone(socket: Socket, session: ExecSession, gone: Callable[[], None]) -> None:
    await _listen(socket, session)
    gone()


async def _listen(socket: Socket, session: ExecSession) -> None:
    """Hand the client's messages to the process until the client closes."""
    while (message := await socket.receive()) is not None:
        if not message:
            continue
        channel, data = message[0], message[1:]
        if channel == STDIN and data:
            await session.write(data)
        elif channel == RESIZE:
            await resize(session, data)
        elif channel == CLOSE and data[:1] == bytes([STDIN]):
            await session.close_stdin()


async def resize(session: ExecSession, data: bytes) -> None:
    with suppress(JSONError, KeyError, TypeError):
        size = loads(data)
        await session.resize(int(size["Width"]), int(size["Height"]))


async def _pump(socket: Socket, channel: int, pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        for start in range(0, len(piece), _LARGEST):
            await _send(socket, channel, piece[start : start + _LARGEST])


async def _send(socket: Socket, channel: int, data: bytes) -> None:
    await socket.send(bytes([channel]) + data)


async def outcome(session: ExecSession) -> Object:
    try:
        code = await session.wait()
    except ApiError as error:
        return error.to_status()
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    text = f"command terminated with non-zero exit code: exit status {code}"
    return {"metadata": {}, "status": "Failure", "message": text, "reason": "NonZeroExitCode", "details": {"causes": causes}}
