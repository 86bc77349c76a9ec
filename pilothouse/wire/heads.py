"""The head of an answer as bytes: status line, the handler's headers, date, length, connection.

Most answers repeat a few sets of headers, so the encoded block of each set is remembered.
"""

import functools
import re
import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "date"})
_BREAKS = re.compile("[\r\n\0]")

_KEPT_COUNT, _KEPT_LENGTH = 16, 128

CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Date:
    """The date line, encoded once a second."""

    second = 0
    line = b""


def date() -> bytes:
    second = int(time.time())
    if second != _Date.second:
        _Date.second = second
        _Date.line = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return _Date.line


def block(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Status line and headers, without the empty line. Raises ValueError for a header that would break the framing."""
    # Long values are a caller's (warnings that repeat a field), and do not come again.
    if len(headers) > _KEPT_COUNT or any(len(value) > _KEPT_LENGTH for _, value in headers):
        return _block(status, headers)
    return _kept_block(status, headers)


def lines(headers: Sequence[tuple[str, str]]) -> bytes:
    """Headers alone. Raises ValueError as `block` does."""
    return "".join(_line(0, name, value) for name, value in headers).encode("latin-1", "replace") if headers else b""


def _line(status: int, name: str, value: str) -> str:
    if name.lower() in _OURS and not (status == 101 and name.lower() == "connection"):
        raise ValueError(f"header {name!r} is set by the server, not by the handler")
    if not name or _BREAKS.search(name) or ":" in name or _BREAKS.search(value):
        raise ValueError(f"header {name!r} would break the message's framing")
    return f"{name}: {value}\r\n"


def _block(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [_line(status, name, value) for name, value in headers]
    return "".join([f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n", *lines]).encode("latin-1", "replace")


_kept_block = functools.lru_cache(maxsize=1024)(_block)


def has_body(status: int) -> bool:
    return status >= 200 and status != 204 and status != 304
