"""Kubernetes' protobuf as a request body: what typed clients, kubectl among them, send for built-in kinds.

Only decoding, and only to the JSON form: whatever comes after works on JSON values and knows nothing of this encoding.
"""

from pilothouse.model.protobuf.envelope import PREFIX, decode
from pilothouse.model.protobuf.wire import ProtobufError

__all__ = ["PREFIX", "ProtobufError", "decode"]
