"""What goes wrong with a SPDY connection, and the codes by which its ends tell each other."""

from pilothouse.wire.outlet import Disconnected

PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
FLOW_CONTROL_ERROR, STREAM_ALREADY_CLOSED = 7, 9
"""Status codes of RST_STREAM."""
GOAWAY_OK, GOAWAY_PROTOCOL_ERROR = 0, 1


class SpdyError(Exception):
    """The peer does not speak SPDY/3.1, or not by its rules: nothing after this can be understood."""


class StreamClosed(Disconnected):
    """Nothing more can be sent: the stream was reset, or its connection is gone."""
