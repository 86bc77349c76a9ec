"""A body as the messages of a WebSocket, for clients that ask for a container's log in this way, as browsers do.

The first message is empty, which tells the client that the stream is open; each piece follows as a message of its own, as it is or in
base64, by the subprotocol. What the client sends is dropped; it ends the stream by closing.
Source: apimachinery/pkg/util/httpstream/wsstream/stream.go.
"""

import base64
from collections.abc import AsyncIterator

from pilothouse.engine.apiserver.answer import StreamResponse
from pilothouse.engine.apiserver.http.respond import begun_pieces, while_open
from pilothouse.wire.messages import Request
from pilothouse.wire.websocket import WebSocket

WEBSOCKET = "websocket"
_BINARY, _BASE64 = "binary.k8s.io", "base64.binary.k8s.io"


async def send(http: Request, answer: StreamResponse) -> None:
    """Raises HandshakeRefused, Disconnected."""
    async with begun_pieces(answer.chunks) as pieces:
        socket = await http.websocket((_BINARY, _BASE64))
        await while_open(_closed(socket), lambda: _copy(socket, pieces))


async def _closed(socket: WebSocket) -> None:
    while await socket.receive() is not None:
        pass


async def _copy(socket: WebSocket, pieces: AsyncIterator[bytes]) -> None:
    is_text = socket.subprotocol == _BASE64
    await socket.send("" if is_text else b"")
    async for piece in pieces:
        await socket.send(base64.b64encode(piece).decode() if is_text else piece)
