"""The answers that turn a connection into something else: RFC 6455 for WebSockets, plain `101` for other protocols."""

import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pilothouse.wire import heads
from pilothouse.wire.messages import HandshakeRefused, HeaderPairs, Request
from pilothouse.wire.websocket import MESSAGE_BYTES, negotiate

if TYPE_CHECKING:
    from websockets.server import ServerProtocol


class Accepted(NamedTuple):
    head: bytes
    protocol: "ServerProtocol"
    subprotocol: str


@functools.cache
def _quiet_log() -> logging.Logger:
    """The library logs each closed connection; that is our caller's decision."""
    log = logging.getLogger("pilothouse.wire.websocket")
    log.setLevel(logging.WARNING)
    return log


def websocket_answer(request: Request, subprotocols: Sequence[str]) -> Accepted:
    """The opening handshake's answer and the protocol that follows it; raises HandshakeRefused."""
    from websockets.protocol import OPEN
    from websockets.server import ServerProtocol

    accept = _accept_header(request)
    offered = request.headers.tokens("sec-websocket-protocol")
    chosen = negotiate(offered, subprotocols)
    if chosen is None:
        raise HandshakeRefused(f"no subprotocol in common: offered {', '.join(offered)}, known {', '.join(subprotocols)}")
    headers = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", accept)]
    if chosen:
        headers.append(("sec-websocket-protocol", chosen))
    protocol = ServerProtocol(state=OPEN, max_size=MESSAGE_BYTES, logger=_quiet_log())
    return Accepted(heads.block(101, tuple(headers)) + heads.date() + heads.lines(request.answer_headers) + b"\r\n", protocol, chosen)


def _accept_header(request: Request) -> str:
    """By the library, without the subprotocols: it refuses those that are no tokens, such as Kubernetes' `SPDY/3.1+portforward.k8s.io`."""
    from websockets import http11
    from websockets.datastructures import Headers
    from websockets.server import ServerProtocol

    headers = Headers([(name, value) for name, value in request.headers if name.lower() != "sec-websocket-protocol"])
    asked = http11.Request(request.target, headers, request.method, f"HTTP/{request.version}")
    answer = ServerProtocol(logger=_quiet_log()).accept(asked)
    if answer.status_code != 101:
        extra = [(name, answer.headers[name]) for name in ("Allow", "Upgrade") if name in answer.headers]
        raise HandshakeRefused((answer.body or b"").decode().strip(), answer.status_code, extra)
    return answer.headers["Sec-WebSocket-Accept"]


def switching(request: Request, protocol: str, headers: HeaderPairs) -> bytes:
    if not request.upgrades_to(protocol):
        raise HandshakeRefused(f"the request does not ask for an upgrade to {protocol}")
    ours = (("connection", "Upgrade"), ("upgrade", protocol), *headers)
    return heads.block(101, ours) + heads.date() + heads.lines(request.answer_headers) + b"\r\n"
