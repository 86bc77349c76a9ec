"""OpenSSL's side of a connection: encrypted bytes in, plain bytes out, and the other way round.

OpenSSL is given one record at a time. Left to read by itself it goes on until there is something to return, so that a peer that sends
records without content (updates of keys, which are dear) would keep the event loop for as long as it sends.
"""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

_HEAD_BYTES = 5
_TYPES = range(20, 25)
_LARGEST_BYTES = 16 * 1024 + 256
PLAIN_BYTES = 16 * 1024
"""The most that a record holds. Source: RFC 8446, section 5.1."""
READ_BYTES = _HEAD_BYTES + _LARGEST_BYTES
_PIECE_BYTES = 4096
"""A buffer of OpenSSL keeps the size that it has once had, for as long as its connection lasts."""
_USELESS = 16
"""Records in a row that bring nothing; as many as Go's server bears."""
OPENED_AT_ONCE = 32
"""Opened in one go. A large record costs little more than one of a single byte, of which a read may bring seven hundred."""


class Channel:
    """One connection. tls: for what is known of the peer. has_ended: the peer has said that it sends no more.

    has_more: records are left, perhaps whole ones, which another call of `open` goes on with.
    """

    __slots__ = ("_incoming", "_outgoing", "_partial", "_useless", "has_ended", "has_more", "tls")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._partial = b""
        self._useless = 0
        self.has_ended = False
        self.has_more = False

    def shake_hands(self, received: bytes) -> bool:
        """Whether the handshake is done; what to answer is in `leaving`. Raises SSLError."""
        data = self._partial + received
        for start, end in self._records(data):
            self._incoming.write(data[start:end])
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                continue
            self._partial = data[end:]
            return True
        return False

    def open(self, received: memoryview | bytes, room: memoryview) -> tuple[bytes, int]:
        """What has been received as plain bytes, and in how many records. room: to work in. Raises SSLError."""
        data = self._partial + received if self._partial else bytes(received)
        opened, count = [], 0
        self.has_more = False
        for start, end in self._records(data):
            count += 1
            size_bytes = self._open(data, start, end, room)
            if self.has_ended:
                break
            if size_bytes:
                self._useless = 0
                opened.append(bytes(room[:size_bytes]))
            elif (useless := self._useless + 1) > _USELESS:
                raise ssl.SSLError("too many records without content")
            else:
                self._useless = useless
            if count == OPENED_AT_ONCE and end < len(data):
                self._partial, self.has_more = data[end:], True
                break
        return opened[0] if len(opened) == 1 else b"".join(opened), count

    def _open(self, data: bytes, start: int, end: int, room: memoryview) -> int:
        try:
            while end - start > _PIECE_BYTES:
                self._incoming.write(data[start : start + _PIECE_BYTES])
                start += _PIECE_BYTES
                try:
                    return self._read(room)
                except ssl.SSLWantReadError:
                    pass
            self._incoming.write(data[start:end])
            return self._read(room)
        except ssl.SSLWantReadError:
            return 0

    def _read(self, room: memoryview) -> int:
        try:
            size_bytes = cast("int", self.tls.read(PLAIN_BYTES, cast("bytearray", room)))
        except ssl.SSLZeroReturnError:
            size_bytes = 0
        self.has_ended = not size_bytes
        return size_bytes

    def _records(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where the records are that are there whole; the rest is kept. What is no record is OpenSSL's to refuse, in one piece."""
        start, size_bytes = 0, len(data)
        while size_bytes - start >= _HEAD_BYTES:
            length = data[start + 3] << 8 | data[start + 4]
            is_record = data[start] in _TYPES and length <= _LARGEST_BYTES
            end = start + _HEAD_BYTES + length if is_record else size_bytes
            if end > size_bytes:
                break
            # Before the record is opened, which may be the last thing that happens.
            self._partial = b""
            yield start, end
            start = end
        self._partial = data[start:]

    def seal(self, plain: bytes | memoryview) -> bytes:
        """At most `PLAIN_BYTES` as a record. Raises SSLError."""
        self.tls.write(plain)
        return self._outgoing.read()

    def leaving(self) -> bytes:
        """What OpenSSL itself has to say: the handshake's answers, alerts."""
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        return self._outgoing.read()
