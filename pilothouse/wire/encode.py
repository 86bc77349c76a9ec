"""A whole answer as bytes: one piece for the common small one, so that it leaves in one write."""

from pilothouse.wire import heads
from pilothouse.wire.messages import Response

_JOIN_BYTES = 64 * 1024


def encode(response: Response, ending: bytes, *, head_only: bool = False) -> tuple[bytes, ...]:
    """ending: the connection header's line, or nothing. Raises ValueError for headers that cannot be sent."""
    status, headers, body = response.status, response.headers, response.body
    head = heads.block(status, headers if isinstance(headers, tuple) else tuple(headers))
    if not heads.has_body(status):
        return (b"%b%b%b\r\n" % (head, heads.date(), ending),)
    if head_only:
        return (b"%b%b%bcontent-length: %d\r\n\r\n" % (head, heads.date(), ending, len(body)),)
    if len(body) <= _JOIN_BYTES:
        return (b"%b%b%bcontent-length: %d\r\n\r\n%b" % (head, heads.date(), ending, len(body), body),)
    return b"%b%b%bcontent-length: %d\r\n\r\n" % (head, heads.date(), ending, len(body)), body
