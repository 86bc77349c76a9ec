"""Reads a request, sees who asks, and hands it to the one who answers."""

import json
import select
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from pilothouse.platform.databases.inside.agent.fields import Malformed
from pilothouse.platform.databases.inside.agent.https.tls import name_of

MOST_BODY = 1 << 20
IDLE_S = 60.0
LINGER_S = 2.0
_PIECE = 64 << 10


class Problem(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, code: int, document: dict[str, object]) -> None:
        super().__init__(str(document))
        self.code = code
        self.document = document


class Handler(BaseHTTPRequestHandler):
    """One connection, request after request."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    routes: "dict[tuple[str, str], Route]" = {}

    def do_GET(self) -> None:
        self._serve("GET")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def version_string(self) -> str:
        return "pilothouse"

    def log_message(self, format: str, *arguments: object) -> None:
        """Requests are not logged: the operator asks all the time."""

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query))

    def is_gone(self) -> bool:
        """Whether the client has left, that waits for an answer: it says nothing until it has one, so what comes is the end."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def body(self) -> bytes:
        """Raises Problem."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise Problem(411, {"error": "the request needs a Content-Length"})
        if int(length) > MOST_BODY:
            raise Problem(413, {"error": f"a document may have {MOST_BODY} bytes"})
        return self.rfile.read(int(length))

    def send(self, code: int, document: object) -> None:
        self.send_body(code, json.dumps(document).encode(), "application/json")

    def send_body(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _serve(self, method: str) -> None:
        try:
            self._route(method).answer(self)
        except Malformed as error:
            self._refuse(400, {"error": str(error)})
        except Problem as problem:
            self._refuse(problem.code, problem.document)

    def _refuse(self, code: int, document: dict[str, object]) -> None:
        """What is left of the request is thrown away for a moment: whoever still sends would lose the answer with the connection."""
        self.close_connection = True
        self.send(code, document)
        end = time.monotonic() + LINGER_S
        with suppress(OSError, ValueError):
            self.connection.settimeout(LINGER_S)
            while self._has_body() and time.monotonic() < end and self.rfile.read1(_PIECE):
                continue

    def _has_body(self) -> bool:
        return bool(self.headers.get("Transfer-Encoding") or self.headers.get("Content-Length", "0") != "0")

    def _route(self, method: str) -> "Route":
        path = urlsplit(self.path).path
        route = self.routes.get((method, path))
        if route is None:
            raise Problem(404, {"error": f"there is no {method} {path[:100]}"})
        assert isinstance(self.connection, ssl.SSLSocket)
        if route.allowed and name_of(self.connection) not in route.allowed:
            raise Problem(403, {"error": f"{path} is for {' and '.join(route.allowed)}, by a certificate of the instance's own authority"})
        return route


def bound(routes: "dict[tuple[str, str], Route]") -> type[Handler]:
    """A handler of these routes, by method and path."""

    class Bound(Handler):
        pass

    Bound.routes = routes
    return Bound


@dataclass(frozen=True, slots=True)
class Route:
    """allowed: names of client certificates; everybody when there are none."""

    answer: Callable[[Handler], None]
    allowed: tuple[str, ...] = ()
