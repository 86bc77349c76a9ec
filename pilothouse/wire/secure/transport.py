"""A TLS connection as an asyncio transport.

The event loop's own TLS transports map a quarter of a megabyte for each connection, and what a slow reader has not taken they keep
encrypted, once a reader. Here an idle connection costs what OpenSSL keeps of it, and what waits to be sent are the pieces as they were
written, which watchers of the same objects share.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pilothouse.wire.limits import SLICE_BYTES
from pilothouse.wire.secure.channel import PLAIN_BYTES, READ_BYTES, Channel

HIGH_BYTES, LOW_BYTES = 64 * 1024, 16 * 1024
"""The protocol is asked to pause writing above the first, and to go on at the second."""
_RECORDS_AT_ONCE = 4
"""Of a read; more of them are small, and each costs about as much as a large one."""
Farewell = Callable[[socket.socket], None]


class Room:
    """Where what arrives is put and decrypted, by all connections of a listener in turn.

    Those that have brought many small records wait in line: one of them goes on in each turn of the event loop.
    """

    def __init__(self) -> None:
        self.received = memoryview(bytearray(READ_BYTES))
        self.plain = memoryview(bytearray(PLAIN_BYTES))
        self._line: deque[Callable[[], None]] = deque()

    def later(self, go_on: Callable[[], None]) -> None:
        if not self._line:
            asyncio.get_running_loop().call_soon(self._next)
        self._line.append(go_on)

    def _next(self) -> None:
        go_on = self._line.popleft()
        if self._line:
            asyncio.get_running_loop().call_soon(self._next)
        go_on()


class TlsTransport(asyncio.Transport):
    """Owns the socket, whose handshake is done, until connection_lost; after a polite end, `farewell` owns it.

    A peer that sends no more may still be sent to, as over TCP.
    """

    __slots__ = (
        "_address",
        "_channel",
        "_farewell",
        "_fd",
        "_has_ended",
        "_is_closing",
        "_is_in_line",
        "_is_lost",
        "_is_reading",
        "_is_writing_paused",
        "_loop",
        "_protocol",
        "_room",
        "_sealed",
        "_sock",
        "_unsent",
        "_unsent_bytes",
    )

    def __init__(self, sock: socket.socket, channel: Channel, address: Any, room: Room, farewell: Farewell) -> None:
        self._sock = sock
        self._channel = channel
        self._fd = sock.fileno()
        self._address = address
        self._room = room
        self._farewell = farewell
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.Protocol | None = None
        self._sealed = b""
        self._unsent: deque[bytes | memoryview] | None = None
        self._unsent_bytes = 0
        self._is_reading = self._has_ended = self._is_in_line = False
        self._is_closing = self._is_lost = False
        self._is_writing_paused = False

    def start(self, protocol: asyncio.Protocol) -> None:
        """What the peer has sent with the end of its handshake comes at once."""
        self._protocol = protocol
        protocol.connection_made(self)
        self.resume_reading()
        if self._is_reading:
            self._open(b"")
            self._stand_in_line()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = {"peername": self._address, "socket": self._sock, "ssl_object": self._channel.tls}
        return found.get(name, default)

    # Reading

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            if not self._is_in_line:
                self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if not (self._is_reading or self._is_closing or self._has_ended):
            self._is_reading = True
            if not self._is_in_line:
                self._read_on()

    def _read_on(self) -> None:
        """What has been received and waits to be decrypted comes before what the kernel has."""
        if self._channel.has_more:
            self._is_in_line = True
            self._room.later(self._go_on)
        else:
            self._loop.add_reader(self._fd, self._readable)

    def _stand_in_line(self) -> None:
        """With what a read has brought beyond what is decrypted in one go."""
        if self._channel.has_more and self._is_reading and not (self._is_in_line or self._is_closing):
            self._loop.remove_reader(self._fd)
            self._read_on()

    def _go_on(self) -> None:
        """It is this connection's turn."""
        if self._is_reading and not self._is_closing:
            self._open(b"")
        self._is_in_line = False
        if self._is_reading and not self._is_closing:
            self._read_on()

    def _readable(self) -> None:
        received, room = self._room.received, self._room.plain
        plain, size_bytes, error = b"", READ_BYTES, None
        try:
            while size_bytes == READ_BYTES and len(plain) < SLICE_BYTES:
                size_bytes = self._sock.recv_into(received)
                if not size_bytes:
                    self._has_ended = True
                    break
                piece, count = self._channel.open(received[:size_bytes], room)
                plain = plain + piece if plain else piece
                self._has_ended = self._channel.has_ended
                if count > _RECORDS_AT_ONCE or self._has_ended or self._channel.has_more:
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as failure:
            error = failure
        self._hand_over(plain, error)
        self._stand_in_line()
        # The error knows this frame, and the frame the error: neither would go before the next full collection.
        error = None

    def _open(self, received: bytes) -> None:
        try:
            plain, _ = self._channel.open(received, self._room.plain)
        except OSError as error:
            self._hand_over(b"", error)
            return
        self._has_ended = self._channel.has_ended
        self._hand_over(plain, None)

    def _hand_over(self, plain: bytes, error: OSError | None) -> None:
        if plain and self._protocol is not None:
            self._protocol.data_received(plain)
        if error is not None:
            self._give_up(error)
            return
        if leaving := self._channel.leaving():
            self._say(leaving)
        if self._has_ended:
            self._end_reading()

    def _say(self, leaving: bytes) -> None:
        """What OpenSSL answers by itself, behind what is on its way. A peer that asks again and again, and takes none of it, is lost."""
        if self._is_lost:
            return
        if len(self._sealed) > HIGH_BYTES:
            self._lose(None)
            return
        if self._sealed:
            self._sealed += leaving
            return
        try:
            self._push(leaving)
        except OSError as error:
            self._lose(error)
            return
        if self._sealed and self._unsent is None:
            self._unsent = deque()
            self._loop.add_writer(self._fd, self._writable)

    def _give_up(self, error: OSError) -> None:
        """With the alert that OpenSSL has for its peer, if there is room for it."""
        if not self._is_lost and not self._sealed:
            with suppress(OSError):
                self._sock.send(self._channel.leaving())
        self._lose(error)

    def _end_reading(self) -> None:
        self.pause_reading()
        if self._protocol is not None and not self._is_closing and not self._protocol.eof_received():
            self.close()

    # Writing

    def get_write_buffer_size(self) -> int:
        return self._unsent_bytes + len(self._sealed)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return LOW_BYTES, HIGH_BYTES

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Data is kept as it is until it is sent: it must not change."""
        if self._is_closing or not data:
            return
        if self._unsent is None:
            rest = self._send(data if isinstance(data, bytes) else memoryview(data))
            if self._is_lost or not (rest or self._sealed):
                return
            self._unsent = deque((rest,) if rest else ())
            self._unsent_bytes = len(rest)
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._unsent.append(data if isinstance(data, bytes) else memoryview(data))
            self._unsent_bytes += len(data)
        if self._unsent_bytes > HIGH_BYTES and not self._is_writing_paused and self._protocol is not None:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def _send(self, plain: bytes | memoryview) -> bytes | memoryview:
        """Record by record, until the kernel takes no more; what is left of it, beside a record that is `_sealed` already."""
        if len(plain) <= PLAIN_BYTES:
            self._send_sealed(plain)
            return b""
        rest = memoryview(plain)
        while rest and not self._sealed and not self._is_lost:
            self._send_sealed(rest[:PLAIN_BYTES])
            rest = rest[PLAIN_BYTES:]
        return rest

    def _send_sealed(self, plain: bytes | memoryview) -> None:
        try:
            self._push(self._channel.seal(plain))
        except OSError as error:
            self._lose(error)

    def _push(self, sealed: bytes) -> None:
        """What the kernel does not take is kept in `_sealed`. Raises OSError."""
        try:
            sent = self._sock.send(sealed)
        except (BlockingIOError, InterruptedError):
            sent = 0
        self._sealed = sealed[sent:] if sent < len(sealed) else b""

    def _writable(self) -> None:
        try:
            if self._sealed:
                self._push(self._sealed)
        except OSError as error:
            self._lose(error)
            return
        while self._unsent and not self._sealed:
            piece = self._joined(self._unsent)
            rest = self._send(piece)
            if self._is_lost:
                return
            self._unsent_bytes -= len(piece) - len(rest)
            if rest:
                self._unsent.appendleft(rest)
        self._written()

    def _written(self) -> None:
        if not self._unsent and not self._sealed:
            self._unsent = None
            self._loop.remove_writer(self._fd)
        if self._is_writing_paused and self._unsent_bytes <= LOW_BYTES and self._protocol is not None:
            self._is_writing_paused = False
            self._protocol.resume_writing()
        if self._is_closing and not self._is_lost and self._unsent is None:
            self._say_goodbye()

    @staticmethod
    def _joined(pieces: deque[bytes | memoryview]) -> bytes | memoryview:
        """The first of them, or the first few small ones in one."""
        first = pieces.popleft()
        if len(first) >= PLAIN_BYTES or not pieces:
            return first
        joined, size_bytes = [first], len(first)
        while pieces and size_bytes < PLAIN_BYTES:
            joined.append(pieces.popleft())
            size_bytes += len(joined[-1])
        return b"".join(joined)

    # The end

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Send what is written, then say goodbye."""
        if self._is_closing:
            return
        self.pause_reading()
        self._is_closing = True
        if self._unsent is None:
            self._say_goodbye()

    def abort(self) -> None:
        self._lose(None)

    def _say_goodbye(self) -> None:
        try:
            self._sock.send(self._channel.goodbye())
        except OSError:
            self._lose(None)
            return
        self._leave(None)
        self._farewell(self._sock)

    def _lose(self, error: OSError | None) -> None:
        if not self._is_lost:
            self._leave(error)
            self._sock.close()

    def _leave(self, error: OSError | None) -> None:
        self.pause_reading()
        if self._unsent is not None:
            self._loop.remove_writer(self._fd)
        self._is_closing = self._is_lost = True
        self._unsent, self._unsent_bytes, self._sealed = None, 0, b""
        self._loop.call_soon(self._tell, error)

    def _tell(self, error: OSError | None) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(error)
