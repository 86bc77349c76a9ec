"""The frames of SPDY/3.1 as values, and both ways between them and bytes. No I/O.

Data comes out in the pieces in which it came in, so that a large data frame is never held; `fin` is on its last piece. A control
frame is held until it is whole and is bounded by `LARGEST_CONTROL`. Control frames of unknown type are skipped, as the protocol says.
Source: SPDY Protocol draft 3.1, section 2.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple, assert_never

from pilothouse.wire.spdy.errors import SpdyError
from pilothouse.wire.spdy.headers import HeaderReader, HeaderWriter

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN, UNIDIRECTIONAL = 1, 2
INITIAL_WINDOW_SIZE = 7
"""The setting that says how much may be sent on a new stream before its receiver asks for more."""
LARGEST_CONTROL = 64 * 1024
LARGEST_DATA = 0xFFFFFF
_VERSION = 3
_CONTROL = 0x80000000
_31_BITS = 0x7FFFFFFF
_TWO, _CONTROL_HEAD = struct.Struct("!II"), struct.Struct("!HHI")


class SynStream(NamedTuple):
    id: int
    headers: Mapping[str, str]
    fin: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0
    """0 (highest) to 7."""


class SynReply(NamedTuple):
    id: int
    headers: Mapping[str, str]
    fin: bool = False


class Headers(NamedTuple):
    id: int
    headers: Mapping[str, str]
    fin: bool = False


class RstStream(NamedTuple):
    id: int
    status: int


class Settings(NamedTuple):
    values: Mapping[int, int]


class Ping(NamedTuple):
    id: int


class GoAway(NamedTuple):
    last_id: int
    status: int = 0


class WindowUpdate(NamedTuple):
    """id 0 is the window of the whole connection."""

    id: int
    delta: int


class Data(NamedTuple):
    id: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | Headers | RstStream | Settings | Ping | GoAway | WindowUpdate | Data


class FrameWriter:
    """Frames have to be sent in the order in which they were encoded: their headers are compressed together."""

    def __init__(self) -> None:
        self._headers = HeaderWriter()

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data(id, data, fin):
                return _TWO.pack(id, fin << 24 | len(data)) + data
            case SynStream(id, headers, fin, unidirectional, associated, priority):
                body = struct.pack("!IIBB", id, associated, priority << 5, 0) + self._headers.block(headers)
                return _control(SYN_STREAM, body, fin | unidirectional << 1)
            case SynReply(id, headers, fin):
                return _control(SYN_REPLY, struct.pack("!I", id) + self._headers.block(headers), fin)
            case Headers(id, headers, fin):
                return _control(HEADERS, struct.pack("!I", id) + self._headers.block(headers), fin)
            case RstStream(id, status):
                return _control(RST_STREAM, _TWO.pack(id, status))
            case Settings(values):
                pairs = b"".join(_TWO.pack(*pair) for pair in values.items())
                return _control(SETTINGS, struct.pack("!I", len(values)) + pairs)
            case Ping(id):
                return _control(PING, struct.pack("!I", id))
            case GoAway(last_id, status):
                return _control(GOAWAY, _TWO.pack(last_id, status))
            case WindowUpdate(id, delta):
                return _control(WINDOW_UPDATE, _TWO.pack(id, delta))
            case _:
                assert_never(frame)


def _control(type: int, body: bytes, flags: int = 0) -> bytes:
    return _CONTROL_HEAD.pack(0x8000 | _VERSION, type, flags << 24 | len(body)) + body


class FrameReader:
    """feed() gives the frames as far as they have come, and raises SpdyError at the first that is none."""

    def __init__(self) -> None:
        self._headers = HeaderReader()
        self._held = bytearray()
        self._id = 0
        self._fin = False
        self._missing = 0
        """Bytes of a data frame that are still to come."""

    def feed(self, piece: bytes) -> Iterator[Frame]:
        self._held += piece
        while True:
            if self._missing:
                if not self._held:
                    return
                yield self._more_data()
            elif len(self._held) < _TWO.size:
                return
            else:
                first, second = _TWO.unpack_from(self._held)
                size = second & LARGEST_DATA
                if not first & _CONTROL:
                    self._take(_TWO.size)
                    self._id, self._fin, self._missing = _stream(first), bool(second >> 24 & FIN), size
                    if not size:
                        yield Data(first, b"", self._fin)
                    continue
                self._check(first, size)
                if len(self._held) < _TWO.size + size:
                    return
                body = self._take(_TWO.size + size)[_TWO.size :]
                frame = self._control(first & 0xFFFF, second >> 24, body)
                if frame is not None:
                    yield frame

    def _more_data(self) -> Data:
        data = self._take(min(self._missing, len(self._held)))
        self._missing -= len(data)
        return Data(self._id, data, self._fin and not self._missing)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _check(self, first: int, size: int) -> None:
        version = first >> 16 & 0x7FFF
        if version != _VERSION:
            raise SpdyError(f"SPDY version {version} is not spoken here")
        if size > LARGEST_CONTROL:
            raise SpdyError(f"a control frame is larger than {LARGEST_CONTROL} bytes")

    def _control(self, type: int, flags: int, body: bytes) -> Frame | None:
        try:
            if type in (SYN_STREAM, SYN_REPLY, HEADERS):
                return self._with_headers(type, flags, body)
            return _plain(type, body)
        except struct.error as error:
            raise SpdyError(f"a control frame of type {type} has the wrong length") from error

    def _with_headers(self, type: int, flags: int, body: bytes) -> Frame:
        fin = bool(flags & FIN)
        if type == SYN_STREAM:
            id, associated, priority, _ = struct.unpack_from("!IIBB", body)
            headers = self._headers.headers(body[10:])
            return SynStream(_stream(id), headers, fin, bool(flags & UNIDIRECTIONAL), associated & _31_BITS, priority >> 5)
        (id,) = struct.unpack_from("!I", body)
        kind = SynReply if type == SYN_REPLY else Headers
        return kind(_stream(id), self._headers.headers(body[4:]), fin)


def _plain(type: int, body: bytes) -> Frame | None:
    if type == PING:
        return Ping(*struct.unpack("!I", body))
    if type == SETTINGS:
        return _settings(body)
    if type not in (RST_STREAM, GOAWAY, WINDOW_UPDATE):
        return None
    id, value = _TWO.unpack(body)
    if type == RST_STREAM:
        return RstStream(_stream(id), value)
    if type == GOAWAY:
        return GoAway(id & _31_BITS, value)
    if not value & _31_BITS:
        raise SpdyError("a window is to grow by nothing")
    return WindowUpdate(id & _31_BITS, value & _31_BITS)


def _settings(body: bytes) -> Settings:
    (count,) = struct.unpack_from("!I", body)
    if len(body) != 4 + count * _TWO.size:
        raise SpdyError("a SETTINGS frame has the wrong length")
    return Settings({id & 0xFFFFFF: value for id, value in _TWO.iter_unpack(body[4:])})


def _stream(id: int) -> int:
    if not id & _31_BITS:
        raise SpdyError("a frame for stream 0")
    return id & _31_BITS
