"""What of another server's OpenAPI document of version 2 becomes part of ours, kept compressed."""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pilothouse.engine.apiserver.aggregator import description
from pilothouse.model.json import Object, dumps, loads

MOST_BYTES = 8 << 20
"""Of the document as it comes; a part of it is kept."""


@dataclass(frozen=True)
class Described:
    """name: for definitions that have to be told from others of their name. body: the part, compressed."""

    name: str
    body: bytes

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def part(self) -> Object:
        found: Object = loads(gzip.decompress(self.body))
        return found


def described(document: Object, name: str, path: str, encode: Callable[[Object], bytes]) -> Described | None:
    """None for a document that `encode` cannot write, or that has no such part: it is not ours to mend, and must not spoil the rest.

    path: below which the version is. In a thread: it may be large.
    """
    try:
        found = description.part(document, path)
        encode(found)
        return Described(name, gzip.compress(dumps(found), 6, mtime=0))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
