"""What slow watchers have not read yet, over all of them: each has a bound of its own, and a hundred of those would be too much."""

from typing import Protocol

TOTAL_BYTES = 64 * 1024 * 1024
_STEP_BYTES = 256 * 1024


class Reader(Protocol):
    @property
    def behind_bytes(self) -> int:
        """Written for it and not sent yet."""
        ...

    def cut_off(self) -> None:
        """End it: it will come back and list, which costs less than keeping its past."""
        ...


class Backlog:
    """Readers are counted in steps, so that one who keeps up costs a comparison a write."""

    def __init__(self, limit_bytes: int = TOTAL_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._counted: dict[Reader, int] = {}
        self._total_bytes = 0

    def note(self, reader: Reader, behind: int) -> None:
        """Called after each write; behind: bytes, by then. Cuts off who is furthest behind when all together are too far."""
        if abs(behind - self._counted.get(reader, 0)) < _STEP_BYTES:
            return
        self._count(reader, behind)
        if self._total_bytes > self._limit_bytes:
            for each in tuple(self._counted):
                self._count(each, each.behind_bytes)
            self._make_room()

    def forget(self, reader: Reader) -> None:
        self._total_bytes -= self._counted.pop(reader, 0)

    def _make_room(self) -> None:
        while self._total_bytes > self._limit_bytes:
            slowest = max(self._counted, key=self._counted.__getitem__)
            self.forget(slowest)
            slowest.cut_off()

    def _count(self, reader: Reader, behind: int) -> None:
        self.forget(reader)
        if behind:
            self._counted[reader] = behind
            self._total_bytes += behind
