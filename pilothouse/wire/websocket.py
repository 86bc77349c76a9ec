"""WebSocket connections (RFC 6455) for exec, attach and port-forward: whole messages in, whole messages out.

Framing, masking, ping replies and the closing handshake are the `websockets` package's sans-I/O protocol; this module
binds it to a connection, joins fragments and bounds what is unread, replies to pings included. No extensions are offered, so nothing
is compressed.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.wire.duplex import Inbox
from pilothouse.wire.outlet import Disconnected, Outlet

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.server import ServerProtocol

MESSAGE_BYTES = 16 * 1024 * 1024
UNREAD_REPLIES_BYTES = 1024 * 1024
"""To pings, before a peer that takes none of them is cut off: nobody waits with them, as with messages."""
CLOSE_TIMEOUT_S = 5.0
GOING_AWAY = 1001
INVALID_DATA = 1007


class WebSocket:
    """receive() is for one task at a time; send() may be called from several, messages do not mix."""

    def __init__(self, outlet: Outlet, protocol: "ServerProtocol", subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self._outlet = outlet
        self._protocol = protocol
        self._inbox = Inbox(outlet)
        self._fragments: list[bytes] = []
        self._is_text = False
        self._unread_replies_bytes = 0
        self._lost: asyncio.Future[None] = outlet.loop.create_future()

    @property
    def buffered(self) -> int:
        """Bytes sent that the kernel has not taken yet."""
        return self._outlet.buffered

    @property
    def is_open(self) -> bool:
        from websockets.protocol import OPEN

        return self._protocol.state is OPEN and not self._lost.done()

    async def receive(self) -> bytes | None:
        """The next message (text as its UTF-8 bytes), or None when the peer has closed or is gone."""
        return await self._inbox.take()

    async def send(self, data: bytes | str) -> None:
        """Send one message, text for a str; waits while the peer is behind. Raises Disconnected once closed."""
        self.post(data)
        await self._outlet.drained()

    def post(self, data: bytes | str) -> None:
        """Like send, without waiting: the caller watches `buffered`."""
        if not self.is_open:
            raise Disconnected("the WebSocket is closed")
        if isinstance(data, str):
            self._protocol.send_text(data.encode())
        else:
            self._protocol.send_binary(data)
        self._transmit()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and wait for the peer's goodbye, a few seconds at most. Closing twice is harmless.

        What the peer is still sending is read and dropped: it may answer only after it could send all of it.
        """
        self._say_goodbye(code, reason)
        self._inbox.discard()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.shield(self._lost)
        except TimeoutError:
            self._outlet.abort()

    # What the connection calls.

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            self._take_frame(frame)  # type: ignore[arg-type]  # only the handshake yields other events
        replied_bytes = self._transmit()
        self._unread_replies_bytes = self._unread_replies_bytes + replied_bytes if self._outlet.buffered else 0
        if self._unread_replies_bytes > UNREAD_REPLIES_BYTES:
            self._outlet.abort()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._transmit()
        self._inbox.end()
        self._outlet.shut()

    def connection_lost(self) -> None:
        self._inbox.end()
        if not self._lost.done():
            self._lost.set_result(None)

    def server_closing(self) -> None:
        self._say_goodbye(GOING_AWAY, "the server is shutting down")

    async def handler_returned(self) -> None:
        await self.close()

    def _take_frame(self, frame: "Frame") -> None:
        from websockets.frames import CLOSE, CONT, DATA_OPCODES, TEXT

        if frame.opcode is CLOSE:
            self._inbox.end()
        elif frame.opcode in DATA_OPCODES:
            if frame.opcode is not CONT:
                self._is_text = frame.opcode is TEXT
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                self._deliver()

    def _deliver(self) -> None:
        message = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
        self._fragments.clear()
        if self._is_text and not _is_utf8(message):
            self._protocol.fail(INVALID_DATA, "text is not UTF-8")
            return
        self._inbox.put(message)

    def _say_goodbye(self, code: int, reason: str) -> None:
        if self.is_open:
            self._protocol.send_close(code, reason)
            self._transmit()

    def _transmit(self) -> int:
        """Pass on what the protocol wants sent, and how many bytes; an empty piece is its wish to end the connection."""
        size_bytes = 0
        for piece in self._protocol.data_to_send():
            size_bytes += len(piece)
            if piece:
                self._outlet.send(piece)
            else:
                self._inbox.end()
                self._outlet.shut()
        return size_bytes


def _is_utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


def negotiate(offered: Sequence[str], ours: Sequence[str]) -> str | None:
    """The first subprotocol of the client's that we speak; "" when it offers none, None when none fits."""
    if not offered:
        return ""
    return next((name for name in offered if name in ours), None)
