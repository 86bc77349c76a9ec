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

    __slots__ = ("_is_history", "_value", "created", "key", "raw", "revision")

    def __init__(self, key: str, revision: int, created: int, raw: bytes, value: Object | None = None) -> None:
        self.key = key
        self.revision = revision
        self.created = created
        self.raw = raw
        self._value = value
        self._is_history = False

    @property
    def value(self) -> Object:
        if self._value is not None:
            return self._value
        value: Object = loads(self.raw)
        if not self._is_history:
            self._value = value
        return value

    def become_history(self) -> None:
        """Keep the bytes only, whoever looks into it: a decoded object is several times as large, and history is long."""
        self._value = None
        self._is_history = True

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

    def retire(self) -> None:
        """Called once all have been told: what the change replaced, or ended, is history now."""
        if self.previous is not None:
            self.previous.become_history()
        if self.type == "DELETED":
            self.record.become_history()
