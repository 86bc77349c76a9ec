"""The two nouns of the store: what an object is at a revision, and how it got there.

Both are immutable by agreement and shared by all readers. A record always has its JSON bytes; the decoded value, which takes several
times as much memory, is made when it is asked for and kept only as long as `Decoded` has room for it.
"""

from collections import deque
from typing import Literal, NamedTuple

from pilothouse.model.json import Object, loads

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

DECODED_BYTES = 1 << 20
"""Of JSON whose decoded values are kept: what is written or read again soon is in it, and it costs about ten times that in memory."""


class Record:
    """An object as of its last change.

    revision: of that change; created: of the object's creation. raw: JSON, without apiVersion and kind. decoded: where its value is
    kept; None when it is history, which nobody reads twice.
    """

    __slots__ = ("_decoded", "_value", "created", "key", "raw", "revision")

    def __init__(
        self, key: str, revision: int, created: int, raw: bytes, value: Object | None = None, *, decoded: "Decoded | None" = None
    ) -> None:
        self.key = key
        self.revision = revision
        self.created = created
        self.raw = raw
        self._value: Object | None = None
        self._decoded = decoded
        if value is not None:
            self._keep(value)

    @property
    def value(self) -> Object:
        """For whoever works with this object; kept for the next one who does."""
        if self._value is not None:
            return self._value
        value: Object = loads(self.raw)
        self._keep(value)
        return value

    def peek(self) -> Object:
        """The value for whoever goes through many objects once: it is not kept."""
        if self._value is not None:
            return self._value
        value: Object = loads(self.raw)
        return value

    def become_history(self) -> None:
        self._value = None
        self._decoded = None

    def forget(self) -> None:
        self._value = None

    def _keep(self, value: Object) -> None:
        if self._decoded is not None:
            self._value = value
            self._decoded.keep(self)

    def __repr__(self) -> str:
        return f"Record({self.key!r}, revision={self.revision}, created={self.created})"


class Decoded:
    """The records that have their decoded value with them, oldest first; those beyond the limit lose it."""

    __slots__ = ("_limit_bytes", "_records", "_size_bytes")

    def __init__(self, limit_bytes: int = DECODED_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._records: deque[Record] = deque()
        self._size_bytes = 0

    def keep(self, record: Record) -> None:
        self._records.append(record)
        self._size_bytes += len(record.raw)
        while self._size_bytes > self._limit_bytes:
            oldest = self._records.popleft()
            self._size_bytes -= len(oldest.raw)
            oldest.forget()


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
