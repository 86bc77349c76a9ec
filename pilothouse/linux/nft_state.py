"""Questions to nftables that nft(8) answers only by reading whole tables, asked of the kernel directly.

Source: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
"""

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.linux.netlink import ACK, DONE, DUMP, ERROR, REQUEST, attribute, attributes, message, messages, refusal

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 10 << 8
_GET_RULE, _GET_ELEMENTS, _GET_GENERATION = _SUBSYSTEM | 7, _SUBSYSTEM | 13, _SUBSYSTEM | 16
_RULE_TABLE, _RULE_CHAIN = 1, 2
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_ELEMENT_KEY, _ELEMENT_DATA, _ELEMENT_EXPIRATION = 1, 2, 5
_VALUE, _GENERATION = 1, 1
_HEADER_BYTES = 4
_RECEIVE_BYTES = 1 << 18
_DEADLINE_S = 5.0


class Element(NamedTuple):
    """key, data: as registers hold them: parts of a concatenation fill four bytes each, or a multiple. data: b"" in sets.

    left_ms: until it expires; None for one that does not.
    """

    key: bytes
    data: bytes
    left_ms: int | None


class NftState:
    """A socket into the network namespace of the thread that makes it. For one thread at a time.

    family: as of `socket`: AF_INET or AF_INET6. Every question raises OSError when the kernel does not answer it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.settimeout(_DEADLINE_S)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def generation(self) -> int:
        """Another number after each change that anybody makes to any table of the namespace."""
        for body in self._ask(_GET_GENERATION, REQUEST | ACK, socket.AF_UNSPEC, b""):
            found: int = struct.unpack("!I", dict(attributes(body))[_GENERATION])[0]
            return found
        raise OSError(errno.EPROTO, "nftables: no generation in the answer")

    def rules(self, family: int, table: str) -> Counter[str]:
        """How many each chain of the table has; none also when there is no such table. family: as netfilter numbers them."""
        found: Counter[str] = Counter()
        try:
            for body in self._ask(_GET_RULE, REQUEST | DUMP, family, attribute(_RULE_TABLE, _text(table))):
                # Nothing of the rule itself, which is long.
                found[next((value[:-1].decode() for kind, value in attributes(body) if kind == _RULE_CHAIN), "")] += 1
        except FileNotFoundError:
            return Counter()
        return found

    def elements(self, family: int, table: str, name: str) -> list[Element]:
        """Of a set or map, in no order. Empty also when there is none."""
        chosen = attribute(_LIST_TABLE, _text(table)) + attribute(_LIST_SET, _text(name))
        found: list[Element] = []
        try:
            for body in self._ask(_GET_ELEMENTS, REQUEST | DUMP, family, chosen):
                for _, element in attributes(dict(attributes(body)).get(_LIST_ELEMENTS, b"")):
                    parts = dict(attributes(element))
                    if _ELEMENT_KEY in parts:
                        left = parts.get(_ELEMENT_EXPIRATION)
                        left_ms = None if left is None else struct.unpack("!Q", left)[0]
                        found.append(Element(_value(parts[_ELEMENT_KEY]), _value(parts.get(_ELEMENT_DATA, b"")), left_ms))
        except FileNotFoundError:
            return []
        return found

    def _ask(self, kind: int, flags: int, family: int, chosen: bytes) -> Iterator[bytes]:
        """What follows the header of each message of the answer. Always to be read to its end, or to an exception."""
        self._sequence += 1
        self._socket.send(message(kind, flags, self._sequence, struct.pack("!BBH", family, 0, 0) + chosen))
        bodies: list[bytes] = []
        while True:
            for answered, of, body in messages(self._socket.recv(_RECEIVE_BYTES)):
                if of != self._sequence:
                    continue
                if answered == DONE:
                    return iter(bodies)
                if answered == ERROR:
                    number = refusal(body)
                    if number:
                        raise OSError(number, f"nftables: {os.strerror(number)}")
                    return iter(bodies)
                bodies.append(body[_HEADER_BYTES:])


def _text(name: str) -> bytes:
    return name.encode() + b"\0"


def _value(data: bytes) -> bytes:
    return dict(attributes(data)).get(_VALUE, b"")
