"""Netlink messages and their attributes as bytes, for the few that are sent from here.

Source: netlink(7): header, attributes aligned to four bytes, acknowledgements that carry an errno.
"""

import struct
from collections.abc import Iterator

REQUEST, ACK, DUMP, CREATE, EXCLUSIVE, REPLACE = 0x1, 0x4, 0x300, 0x400, 0x200, 0x100
ERROR, DONE = 2, 3
NESTED = 0x8000
_HEADER_BYTES = 16
_KIND_MASK = 0x3FFF
"""The two bits above say that an attribute is nested, or in network order."""


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each. Ends where the bytes make no further one."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & _KIND_MASK, data[offset + 4 : offset + length]
        offset += length + (-length % 4)


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", _HEADER_BYTES + len(body), kind, flags, sequence, 0) + body + b"\0" * (-len(body) % 4)


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Those of a datagram: kind, sequence number, body."""
    offset = 0
    while offset + _HEADER_BYTES <= len(data):
        length, kind, _flags, sequence, _port = struct.unpack_from("=IHHII", data, offset)
        if length < _HEADER_BYTES:
            return
        yield kind, sequence, data[offset + _HEADER_BYTES : offset + length]
        offset += length + (-length % 4)


def refusal(body: bytes) -> int:
    """The errno of an ERROR message; 0 for an acknowledgement."""
    number: int = struct.unpack_from("=i", body)[0]
    return -number
