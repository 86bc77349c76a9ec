"""The two nouns of the store: what an object is at a revision, and how it got there.

Both are immutable by agreement and shared by all readers. A record always has its JSON bytes; the decoded value is made when
someone first needs it, so that a start and objects that nobody looks into cost no more than their bytes.
"""

from typing import Literal, NamedTuple

from pilothouse.model.json import Object, loads

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Record:
    """An object as of its last change.

    revision: of that change; created: of the object's creation. raw: JSON, without apiVersion and kind.
    """

    __slots__ = ("_value", "created", "key", "raw", "revision")

    def __init__(self, key: str, revision: int, created: int, raw: bytes, value: Object | None = None) -> None:
        self.key = key
        self.revision = revision
        self.created = created
        self.raw = raw
        self._value = value

    @property
    def value(self) -> Object:
        if self._value is None:
            self._value = loads(self.raw)
        return self._value

    def forget_value(self) -> None:
        """Keep the bytes only; called once the record is history."""
        self._value = None

    def __repr__(self) -> str:
        return f"Record({self.key!r}, revision={self.revision}, created={self.created})"


class Change(NamedTuple):
    """One committed write. record of a DELETED change: the last value with the deletion's revision. at: Unix time in seconds."""

    type: ChangeType
    record: Record
    previous: Record | None
    at: int = 0

    @property
    def revision(self) -> int:
        return self.record.revision

    @property
    def key(self) -> str:
        return self.record.key
