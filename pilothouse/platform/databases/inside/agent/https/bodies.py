"""Bodies of any length: sent as they are made, and read as they come."""

from collections.abc import Iterable, Iterator

from pilothouse.platform.databases.inside.agent.https.handler import Handler, Problem

_PIECE = 256 << 10
_MOST_LINE = 1 << 10


class Broken(OSError):
    """The body ended before its end."""


def send(request: Handler, pieces: Iterable[bytes]) -> None:
    """In chunks. When `pieces` raises, the connection ends without the last chunk, so that no receiver takes it for whole."""
    request.close_connection = True
    request.send_response(200)
    request.send_header("Content-Type", "application/octet-stream")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for piece in pieces:
        request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    request.wfile.write(b"0\r\n\r\n")


def read(request: Handler) -> Iterator[bytes]:
    """Raises Problem, Broken."""
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        return _chunks(request)
    length = request.headers.get("Content-Length", "")
    if not length.isdigit():
        raise Problem(411, {"error": "the request needs a Content-Length or chunks"})
    return _exactly(request, int(length))


def _chunks(request: Handler) -> Iterator[bytes]:
    while size := _size(request):
        yield from _exactly(request, size)
        if request.rfile.read(2) != b"\r\n":
            raise Broken("a chunk of the body does not end where it should")
    while request.rfile.readline(_MOST_LINE) not in (b"\r\n", b"\n", b""):
        continue


def _size(request: Handler) -> int:
    line = request.rfile.readline(_MOST_LINE).partition(b";")[0].strip()
    try:
        return int(line, 16)
    except ValueError as error:
        raise Broken("the body broke off") from error


def _exactly(request: Handler, size: int) -> Iterator[bytes]:
    while size:
        piece = request.rfile.read(min(size, _PIECE))
        if not piece:
            raise Broken("the body broke off")
        size -= len(piece)
        yield piece
