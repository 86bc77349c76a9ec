"""The wire format: variable-length integers, lengths, and what to do with fields that nobody knows.

Every read is bounded by the end of the message it belongs to, so that no length in a body reaches beyond its own message.
Source: protobuf.dev, "Encoding"; the messages are those of upstream's generated decoders.
"""

VARINT, FIXED64, BLOCK, FIXED32 = 0, 1, 2, 5
_WORD = (1 << 64) - 1
_MAX_SHIFT = 63


class ProtobufError(ValueError):
    """A body that is no protobuf of the kind it states. message: a sentence for the client."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def truncated() -> ProtobufError:
    return ProtobufError("unexpected EOF")


def wrong_wire_type(wire: int, field: str) -> ProtobufError:
    return ProtobufError(f"proto: wrong wireType = {wire} for field {field}")


def illegal_tag(key: int) -> ProtobufError:
    return ProtobufError(f"proto: illegal tag {key >> 3} (wire type {key & 7})")


def varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """(an unsigned number of 64 bits, position after it); raises ProtobufError."""
    value = shift = 0
    while pos < end:
        byte = data[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _WORD, pos
        shift += 7
        if shift > _MAX_SHIFT:
            raise ProtobufError("proto: integer overflow")
    raise truncated()


def block(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """(start, end) of a length-delimited field whose length stands at pos; raises ProtobufError."""
    size, pos = varint(data, pos, end)
    if size > end - pos:
        raise truncated()
    return pos, pos + size


def skip(data: bytes, pos: int, end: int, key: int) -> int:
    """The position after a field's value; raises ProtobufError."""
    wire = key & 7
    if key < 8:
        raise illegal_tag(key)
    if wire == VARINT:
        return varint(data, pos, end)[1]
    if wire == BLOCK:
        return block(data, pos, end)[1]
    if wire not in (FIXED64, FIXED32):
        raise ProtobufError(f"proto: illegal wireType {wire}")
    pos += 8 if wire == FIXED64 else 4
    if pos > end:
        raise truncated()
    return pos


def int64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
