"""SPDY/3.1, which Kubernetes' streams run over: exec, attach and port-forward, from clients and towards the container runtime.

`frames` turns bytes into frames and back, `Connection` is either end of a connection, `Stream` one stream of it.
"""

from pilothouse.wire.spdy.connection import Connection
from pilothouse.wire.spdy.errors import PROTOCOL_ERROR, REFUSED_STREAM, SpdyError, StreamClosed
from pilothouse.wire.spdy.pipe import Pipe
from pilothouse.wire.spdy.stream import Stream

PROTOCOL = "SPDY/3.1"
"""What it is called in an Upgrade header."""

__all__ = ["PROTOCOL", "PROTOCOL_ERROR", "REFUSED_STREAM", "Connection", "Pipe", "SpdyError", "Stream", "StreamClosed"]
