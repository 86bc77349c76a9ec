"""Kubernetes' protobuf for built-in kinds: bodies that typed clients, kubectl among them, send, and answers to who takes nothing else.

From and to the JSON form: whatever comes between works on JSON values and knows nothing of this encoding.
"""

from pilothouse.model.protobuf.encode import encoded, watch_event
from pilothouse.model.protobuf.envelope import PREFIX, decode
from pilothouse.model.protobuf.wire import ProtobufError

__all__ = ["PREFIX", "ProtobufError", "decode", "encoded", "watch_event"]
