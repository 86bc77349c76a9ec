"""The channel protocol of exec and attach over a WebSocket: first byte of a message is the stream it belongs to.

0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size. In v5 a message on channel 255 closes the channel it names, which
is how a client says that standard input has ended. Before v4, and without any subprotocol, channel 3 has the text of a failure and nothing
of a success. In the base64 protocols messages are text: the channel as a digit, then its bytes in base64.
Source: apimachinery/pkg/util/httpstream/wsstream, kubelet/pkg/cri/streaming/remotecommand/websocket.go, KEP-4006.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from pilothouse.aio.tasks import scope
from pilothouse.client.transport import Socket
from pilothouse.engine.streaming.seams import ExecSession
from pilothouse.model.errors import ApiError
from pilothouse.model.json import JSONError, Object, dumps, loads

STREAM_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Those that are spoken over SPDY as well."""
PROTOCOLS = (*STREAM_PROTOCOLS, "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_LARGEST = 32 * 1024
_BASE64 = "base64.channel.k8s.io"


async def run(socket: Socket, start: Awaitable[ExecSession]) -> None:
    """Start a process and serve it; a start that fails is told where the exit code would be."""
    if socket.subprotocol.endswith(_BASE64):
        socket = _InBase64(socket)
    try:
        session = await start
    except ApiError as error:
        await _finish(socket, error.to_status())
        await socket.close()
        return
    await serve(socket, session)


class _InBase64:
    """A socket whose peer writes and reads text. A message that is none of these is dropped."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.subprotocol = socket.subprotocol

    async def send(self, data: bytes | str) -> None:
        assert isinstance(data, bytes), "channels carry bytes"
        await self._socket.send(f"{data[0]}{b64encode(data[1:]).decode()}")

    async def receive(self) -> bytes | None:
        message = await self._socket.receive()
        if not message:
            return message
        try:
            return bytes([int(message[:1])]) + b64decode(message[1:])
        except ValueError:
            return b""

    async def close(self) -> None:
        await self._socket.close()


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
            await _finish(socket, await outcome(session))
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


async def _finish(socket: Socket, status: Object) -> None:
    if socket.subprotocol.startswith(("v4.", "v5.")):
        await _send(socket, STATUS, dumps(status))
    elif status["status"] != "Success":
        await _send(socket, STATUS, str(status["message"]).encode())


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
