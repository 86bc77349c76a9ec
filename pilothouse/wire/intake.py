"""From bytes to requests: the callbacks of httptools' parser, with the checks that the parser leaves to us.

llhttp refuses bad chunks, both length headers at once and malformed fields by itself. Added here: bounds on everything
that accumulates, one Host, the HTTP versions we speak, targets we understand, and trailers kept out of the headers.
"""

from collections.abc import Callable
from typing import Protocol

from pilothouse.wire.budget import Share
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Headers, Request

_NAMES: dict[bytes, str] = {}
_NAMES_KEPT = 2048
_SPACE = (b" ", b"\t")
_WATCHED = frozenset({"host", "content-length", "transfer-encoding", "expect"})


class Refusal(Exception):
    """The bytes are no request that we answer; the connection says why and closes."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def _remember(name: bytes) -> str:
    """A field name in lower case; for the names in common use the same object each time, found without a call."""
    lower = name.decode("latin-1").lower()
    if len(_NAMES) < _NAMES_KEPT:
        _NAMES[name] = lower
    return lower


class Parser(Protocol):
    """The part of httptools.HttpRequestParser used here (the package is untyped)."""

    def get_http_version(self) -> str: ...
    def get_method(self) -> bytes: ...
    def should_keep_alive(self) -> bool: ...
    def should_upgrade(self) -> bool: ...
    def feed_data(self, data: bytes) -> None: ...


class Intake:
    """What the parser calls. `deliver` gets each request when its body is complete, or as soon as it is too large.

    llhttp takes a request that asks for an upgrade to have no body. Where it has one, the request is `postponed`: the
    connection gives the body to a fresh parser behind `body_head()`, and the upgrade is forgotten, as HTTP allows.
    body_limit: how large a body may be, asked once for a request whose body goes beyond what every stranger may send.
    method: the next request's, where the parser has been given another one that it knows.
    budget: pays for bodies from their arrival on; whoever takes a request from `deliver` gives back the length of its body in the end.
    """

    __slots__ = (
        "_allowed",
        "_asked",
        "_body",
        "_body_bytes",
        "_body_limit",
        "_budget",
        "_deliver",
        "_delivered",
        "_expects",
        "_has_body",
        "_head_bytes",
        "_held_bytes",
        "_hosts",
        "_length",
        "_limits",
        "_on_expect",
        "_pairs",
        "_raw_bytes",
        "_target",
        "begun",
        "in_body",
        "method",
        "parser",
        "postponed",
        "refusal",
        "request",
        "serial",
    )

    def __init__(
        self,
        limits: Limits,
        deliver: Callable[[Request], None],
        on_expect: Callable[[], None],
        *,
        body_limit: Callable[[Request], int],
        budget: Share,
    ) -> None:
        self._limits = limits
        self._body_limit = body_limit
        self._budget = budget
        self._body_bytes = 0
        self._held_bytes = 0
        self._delivered = False
        self._deliver = deliver
        self._on_expect = on_expect
        self.parser: Parser
        self.request: Request | None = None
        self.postponed: Request | None = None
        self.refusal: Refusal | None = None
        self.serial = 0
        self.method = b""
        self.on_message_begin()
        self.begun = False

    # Called by the parser.

    def on_message_begin(self) -> None:
        self.begun = True
        self.serial += 1
        self.in_body = False
        self._target = b""
        self._pairs: list[tuple[str, bytes]] = []
        self._head_bytes = 0
        self._raw_bytes = 0
        self._allowed = min(self._limits.stranger_bytes, self._limits.body_bytes)
        self._asked = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._hosts = 0
        self._length = 0
        self._has_body = False
        self._expects = False
        self._delivered = False

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._head_bytes += len(url)
        if self._head_bytes > self._limits.head_bytes:
            raise self._refuse(414, "the request target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_body:
            return  # a trailer: it must never pass for a header
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes or len(self._pairs) >= self._limits.header_count:
            raise self._refuse(431, "the request's headers are too large")
        if value[-1:] in _SPACE:
            value = value.rstrip(b" \t")
        key = _NAMES.get(name) or _remember(name)
        self._pairs.append((key, value))
        if key in _WATCHED:
            self._note(key, value)

    def _note(self, key: str, value: bytes) -> None:
        if key == "host":
            self._hosts += 1
        elif key == "content-length":
            self._length = int(value)
            self._has_body = self._length > 0
        elif key == "transfer-encoding":
            if value.lower() != b"chunked" or self._has_body:
                raise self._refuse(501, "the only transfer coding understood is chunked, once")
            self._has_body = True
        else:
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self.in_body = True
        self._let_go_head()
        request, self.postponed = self.postponed or self._build(), None
        if self._has_body and self.parser.should_upgrade():
            self.postponed = request
            return
        self.request = request
        if not self._allows(request, self._length):
            self._give_up_body(request)
        elif self._expects and self._has_body and request.version == "1.1":
            self._on_expect()

    def on_body(self, piece: bytes) -> None:
        if self._delivered:
            self._body_bytes += len(piece)
            return
        assert self.request is not None
        if not self._allows(self.request, self._body_bytes + len(piece)):
            self.drop()
            self._give_up_body(self.request)
        elif not self._budget.take(len(piece), is_small=self._body_bytes + len(piece) <= self._limits.stranger_bytes):
            self.drop()
            raise self._refuse(503, "too many request bodies are on their way at once; try again later")
        else:
            self._body.append(piece)
        self._body_bytes += len(piece)

    def _allows(self, request: Request, size_bytes: int) -> bool:
        """Who may send more than a stranger is found out only when somebody does."""
        if size_bytes > self._allowed and not self._asked:
            self._asked = True
            self._allowed = max(self._allowed, min(self._body_limit(request), self._limits.body_bytes))
        return size_bytes <= self._allowed

    def on_message_complete(self) -> None:
        self.begun = False
        request, self.request = self.request, None
        # An idle connection keeps nothing of its last request.
        self._target, self._pairs = b"", []
        if request is None or self._delivered:
            return
        if self._body:
            request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body = []
        self._deliver(request)

    def drop(self) -> None:
        """Let go of a body, or part of a head, that nobody will get."""
        self._let_go_head()
        self._budget.give(sum(map(len, self._body)))
        self._body = []

    def let_go(self) -> None:
        """Of everything, and of whoever is called: nothing arrives any more."""
        self.drop()
        self._deliver = _ignore
        self._on_expect = lambda: None
        self._body_limit = lambda _: 0
        self.request = self.postponed = None
        del self.parser

    # Called by the connection.

    def hold_head(self, size_bytes: int) -> None:
        """Pay for what a read has brought of a head that is not complete. Raises Refusal when too much is held on all connections."""
        if not self._budget.take(size_bytes, is_small=True):
            raise self._refuse(503, "too many requests are on their way at once; try again later")
        self._held_bytes += size_bytes

    def _let_go_head(self) -> None:
        self._budget.give(self._held_bytes)
        self._held_bytes = 0

    def count(self, size_bytes: int) -> None:
        """Bound what a message may take that the parser holds back: one endless header line, chunk framing, trailers.

        size_bytes: of a read that began inside a message and has not ended it; called after it has been parsed.
        """
        self._raw_bytes += size_bytes
        if not self.in_body:
            if self._raw_bytes > self._limits.head_bytes:
                raise self._refuse(431, "the request's headers are too large")
        elif self._raw_bytes > self._limits.head_bytes * 2 + 16 * self._body_bytes:
            raise self._refuse(400, "the request's body is nearly all framing")

    def body_head(self) -> bytes:
        """The head that makes a fresh parser read the postponed request's body."""
        framing = b"content-length: %d" % self._length if self._length else b"transfer-encoding: chunked"
        return b"POST / HTTP/1.1\r\n%b\r\n%b\r\n" % (framing, b"expect: 100-continue\r\n" if self._expects else b"")

    def _give_up_body(self, request: Request) -> None:
        request.too_large = True
        request.keep_alive = False
        self._delivered = True
        self._deliver(request)

    def _build(self) -> Request:
        version = self.parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise self._refuse(505, f"HTTP/{version} is not spoken here")
        if self._hosts != 1 and (self._hosts or version == "1.1"):
            raise self._refuse(400, "a request has exactly one Host")
        method = (self.method or self.parser.get_method()).decode("latin-1")
        self.method = b""
        target = origin_form(self._target.decode("latin-1"), method)
        if target is None:
            raise self._refuse(400, "the request target is neither a path nor a URL")
        request = Request(method, target, Headers(self._pairs), version=version)
        request.keep_alive = self.parser.should_keep_alive()
        return request

    def _refuse(self, status: int, why: str) -> Refusal:
        """Kept as well as raised, since the parser wraps what its callbacks raise."""
        self.refusal = Refusal(status, why)
        return self.refusal


def _ignore(_: Request) -> None:
    """For a connection that is lost."""


def origin_form(target: str, method: str) -> str | None:
    """The target as path and query: an absolute URL loses its scheme and authority. Percent-encoding is not touched."""
    if target.startswith("/") or (target == "*" and method != "CONNECT"):
        return target
    scheme, separator, rest = target.partition("://")
    if method == "CONNECT" or not separator or scheme.lower() not in ("http", "https"):
        return None
    for at, character in enumerate(rest):
        if character in "/?":
            return rest[at:] if character == "/" else "/" + rest[at:]
    return "/"
