"""Bodies in protobuf as tests need them: whole objects, and an object's envelope around bytes of the test's own."""

from typing import Any

from pilothouse.model.protobuf.encode import block, encoded, in_envelope, number, varint

__all__ = ["block", "envelope", "number", "varint"]


def envelope(value: dict[str, Any], raw: bytes | None = None) -> bytes:
    return encoded(value) if raw is None else in_envelope(value.get("apiVersion", ""), value.get("kind", ""), raw)
