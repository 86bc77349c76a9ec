"""The objects below a prefix as they were at a revision, without a copy of them: today's, with the later changes undone on the way."""

from collections.abc import Iterator, Mapping
from heapq import merge

from pilothouse.engine.store.record import Record
from pilothouse.engine.store.shelves import Shelves


class Snapshot:
    """Right until something is written: for one turn of the event loop.

    undone: of each key that has changed since, the record of then; None when there was none.
    """

    def __init__(self, shelves: Shelves, prefix: str, undone: Mapping[str, Record | None]) -> None:
        self._shelves = shelves
        self._prefix = prefix
        self._undone = undone

    def walk(self, start: str = "") -> Iterator[Record]:
        """In the order of their keys, from `start` on; costs what is taken from it, and what has changed since."""
        now = self._shelves.walk(self._prefix, start)
        if not self._undone:
            return now
        then = sorted((record for record in self._undone.values() if record is not None and record.key >= start), key=_key)
        return merge((record for record in now if record.key not in self._undone), then, key=_key)

    def count(self, start: str = "") -> int:
        """How many there are from the key `start` on."""
        changed = [(key, record) for key, record in self._undone.items() if key >= start]
        were = sum(record is not None for _, record in changed)
        are = sum(self._shelves.get(key) is not None for key, _ in changed)
        return self._shelves.count(self._prefix, start) + were - are


def _key(record: Record) -> str:
    return record.key
