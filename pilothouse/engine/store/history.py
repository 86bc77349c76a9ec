"""The recent changes, so that a watcher that was away catches up without a new list.

Bounded three ways (count, bytes, age): whichever is reached first drops the oldest change. A dropped change names the rows that
nobody needs any more, and those are what the database deletes; so the file cannot outgrow the objects plus this history.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from pilothouse.engine.store.record import Change
from pilothouse.engine.store.shelves import prefixes

_MOST_RESOURCES = 4096
"""Of which the newest dropped change is remembered one by one; definitions come and go."""


@dataclass(frozen=True, slots=True)
class Limits:
    changes: int = 10_000
    size_bytes: int = 32 << 20
    age_s: int = 300


class History:
    """compacted: the newest revision whose change is dropped; a watch of everything may start at it or after it.

    A watch of one resource may start earlier, as long as no change of that resource was dropped since: a client that comes back to what
    has not changed for an hour has missed nothing. As upstream's watch cache, which is one a resource.
    """

    def __init__(self, limits: Limits, compacted: int) -> None:
        self._limits = limits
        self._changes: deque[Change] = deque()
        self._size_bytes = 0
        self.compacted = compacted
        self._unknown_before = compacted
        self._dropped: dict[str, int] = {}

    def reaches(self, prefix: str, revision: int) -> bool:
        """Whether every change later than `revision` to what the prefix covers is known."""
        if revision >= self.compacted:
            return True
        resource = prefix.split("/", 2)[1]
        return bool(resource) and revision >= self._dropped.get(f"/{resource}/", self._unknown_before)

    def append(self, change: Change) -> None:
        self._changes.append(change)
        self._size_bytes += len(change.record.raw)

    def trim(self, now: float) -> list[int]:
        """Drop what is beyond the limits; returns the revisions whose rows are garbage now."""
        garbage: list[int] = []
        while self._changes and self._exceeded(now):
            garbage.extend(self._drop(self._changes.popleft()))
        return garbage

    def _exceeded(self, now: float) -> bool:
        limits = self._limits
        too_many = len(self._changes) > limits.changes or self._size_bytes > limits.size_bytes
        return too_many or self._changes[0].at < now - limits.age_s

    def _drop(self, change: Change) -> Iterator[int]:
        self._size_bytes -= len(change.record.raw)
        self.compacted = change.revision
        self._remember(prefixes(change.key)[1], change.revision)
        if change.previous is not None:
            yield change.previous.revision
        if change.type == "DELETED":
            yield change.revision

    def _remember(self, resource: str, revision: int) -> None:
        if len(self._dropped) >= _MOST_RESOURCES and resource not in self._dropped:
            self._dropped.clear()
            self._unknown_before = revision
        self._dropped[resource] = revision

    def after(self, revision: int) -> list[Change]:
        """The changes later than a revision, oldest first."""
        found = list(takewhile(lambda change: change.revision > revision, reversed(self._changes)))
        found.reverse()
        return found

    def before(self, revision: int) -> Iterator[Change]:
        """The changes later than a revision, newest first: what to undo to get back to it."""
        return takewhile(lambda change: change.revision > revision, reversed(self._changes))
