"""The committed state in memory, ordered by key.

Keys are `/<group_resource>/<namespace>/<name>`; each resource has a shelf of its own, so that inserting into one list of
sorted keys never moves another's. A prefix ends with a slash; anything else means the one object of that key.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator

from pilothouse.engine.store.record import Record


def covers(prefix: str, key: str) -> bool:
    return key.startswith(prefix) if prefix.endswith("/") else key == prefix


def prefixes(key: str) -> tuple[str, str, str, str]:
    """Every prefix that covers the key, the key itself included."""
    resource_end = key.index("/", 1) + 1
    namespace_end = key.index("/", resource_end) + 1
    return "/", key[:resource_end], key[:namespace_end], key


class Shelf:
    __slots__ = ("keys", "records")

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.keys: list[str] = []

    def put(self, record: Record) -> None:
        if record.key not in self.records:
            insort(self.keys, record.key)
        self.records[record.key] = record

    def remove(self, key: str) -> None:
        del self.records[key]
        del self.keys[bisect_left(self.keys, key)]

    def span(self, prefix: str, start: str = "") -> slice:
        # The character after "/" is "0": the first key beyond the prefix sorts at or after it.
        end = bisect_left(self.keys, prefix[:-1] + "0")
        return slice(min(bisect_left(self.keys, max(prefix, start)), end), end)


class Shelves:
    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}

    def get(self, key: str) -> Record | None:
        shelf = self._shelves.get(key[: key.index("/", 1) + 1])
        return None if shelf is None else shelf.records.get(key)

    def put(self, record: Record) -> None:
        resource = record.key[: record.key.index("/", 1) + 1]
        shelf = self._shelves.get(resource)
        if shelf is None:
            shelf = self._shelves[resource] = Shelf()
        shelf.put(record)

    def remove(self, key: str) -> None:
        self._shelves[key[: key.index("/", 1) + 1]].remove(key)

    def scan(self, prefix: str) -> list[Record]:
        if not prefix.endswith("/"):
            found = self.get(prefix)
            return [] if found is None else [found]
        return [shelf.records[key] for shelf in self._under(prefix) for key in shelf.keys[shelf.span(prefix)]]

    def walk(self, prefix: str, start: str = "") -> Iterator[Record]:
        """What `scan` returns from the key `start` on, one by one; ends being right when something is put or removed."""
        if not prefix.endswith("/"):
            yield from (record for record in self.scan(prefix) if record.key >= start)
            return
        for shelf in self._under(prefix):
            span = shelf.span(prefix, start)
            for position in range(span.start, span.stop):
                yield shelf.records[shelf.keys[position]]

    def size_bytes(self) -> int:
        return sum(len(record.raw) for shelf in self._shelves.values() for record in shelf.records.values())

    def count(self, prefix: str, start: str = "") -> int:
        """How many there are, those from the key `start` on."""
        if not prefix.endswith("/"):
            return sum(1 for _ in self.walk(prefix, start))
        spans = (shelf.span(prefix, start) for shelf in self._under(prefix))
        return sum(span.stop - span.start for span in spans)

    def _under(self, prefix: str) -> Iterator[Shelf]:
        if prefix == "/":
            yield from (self._shelves[name] for name in sorted(self._shelves))
            return
        shelf = self._shelves.get(prefix[: prefix.index("/", 1) + 1])
        if shelf is not None:
            yield shelf
