"""Bytes on the wire: HTTP/1.1 server, WebSocket, TLS and certificates. Knows nothing of Kubernetes.

A connection is never trusted with more memory or time than `Limits` says, and an answer is encoded once.
"""

from pilothouse.wire.duplex import Duplex
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Certificate, Handler, HandshakeRefused, Headers, Peer, Request, Response
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.server import Server, serve
from pilothouse.wire.stream import Stream
from pilothouse.wire.websocket import WebSocket

__all__ = [
    "Certificate",
    "Disconnected",
    "Duplex",
    "Handler",
    "HandshakeRefused",
    "Headers",
    "Limits",
    "Peer",
    "Request",
    "Response",
    "Server",
    "Stream",
    "WebSocket",
    "serve",
]
