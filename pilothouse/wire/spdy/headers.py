"""Name/value header blocks: compressed, and each block in terms of all before it.

So every block that arrives has to be read, in order, whether anybody wants it or not, and blocks leave in the order they were made.
"""

import struct
import zlib
from collections.abc import Mapping

from pilothouse.wire.spdy.dictionary import DICTIONARY
from pilothouse.wire.spdy.errors import SpdyError

LARGEST_BLOCK = 64 * 1024
"""Bytes of a block when it is no longer compressed."""
_COUNT = struct.Struct("!I")


class HeaderWriter:
    def __init__(self) -> None:
        self._compress = zlib.compressobj(zdict=DICTIONARY)

    def block(self, headers: Mapping[str, str]) -> bytes:
        """Names are sent in lower case, as the protocol wants them."""
        pairs = b"".join(_text(name.lower()) + _text(value) for name, value in headers.items())
        return self._compress.compress(_COUNT.pack(len(headers)) + pairs) + self._compress.flush(zlib.Z_SYNC_FLUSH)


def _text(value: str) -> bytes:
    data = value.encode()
    return _COUNT.pack(len(data)) + data


class HeaderReader:
    """Raises SpdyError for a block that is damaged, too large or against the rules."""

    def __init__(self) -> None:
        self._expand = zlib.decompressobj(zdict=DICTIONARY)

    def headers(self, block: bytes) -> dict[str, str]:
        """Several values of one name are joined by NUL, as they came."""
        try:
            plain = self._expand.decompress(block, LARGEST_BLOCK + 1)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be decompressed: {error}") from error
        if len(plain) > LARGEST_BLOCK or self._expand.unconsumed_tail:
            raise SpdyError(f"a header block is larger than {LARGEST_BLOCK} bytes")
        if self._expand.eof:
            raise SpdyError("the compression of the headers has ended")
        return _parse(plain)


def _parse(plain: bytes) -> dict[str, str]:
    try:
        (count,) = _COUNT.unpack_from(plain)
        headers: dict[str, str] = {}
        at = _COUNT.size
        for _ in range(count):
            name, at = _take(plain, at)
            value, at = _take(plain, at)
            _check_name(name, headers)
            headers[name] = value
    except (struct.error, UnicodeDecodeError) as error:
        raise SpdyError("a header block is damaged") from error
    if at != len(plain):
        raise SpdyError("a header block is longer than its headers")
    return headers


def _take(plain: bytes, at: int) -> tuple[str, int]:
    (size,) = _COUNT.unpack_from(plain, at)
    start, end = at + _COUNT.size, at + _COUNT.size + size
    if end > len(plain):
        raise SpdyError("a header block is shorter than its headers")
    return plain[start:end].decode(), end


def _check_name(name: str, seen: Mapping[str, str]) -> None:
    if not name or name != name.lower():
        raise SpdyError(f"{name!r} is no header name")
    if name in seen:
        raise SpdyError(f"the header {name} is there twice")
