"""From a stream of events to whole transactions."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.platform.databases.inside.archive.events import FORMAT, HEARTBEATS, Event, Head, head
from pilothouse.platform.databases.inside.archive.segment import Group

_FRESH_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Began:
    """The format of what follows."""

    format_event: bytes


@dataclass(frozen=True, slots=True)
class Idle:
    """The server has nothing more at this time."""

    seen_us: int


def now_us() -> int:
    return time.time_ns() // 1000


class Clock:
    """Tells the moment of a transaction: what MySQL's log says. MariaDB's holds whole seconds alone, in which statements began.

    While the archive keeps up it is the time at which it saw the transaction's end; while it catches up, the end of the second in which
    the last statement (the COMMIT, where there is one) began.
    """

    def __init__(self, now: Callable[[], int] = now_us) -> None:
        self._now = now
        self._keeps_up = False
        self._last_us = 0

    def idle_us(self) -> int:
        """No later transaction has an earlier moment, whatever the server's clock says."""
        self._keeps_up = True
        self._last_us = max(self._last_us, self._now())
        return self._last_us

    def moment_us(self, second: int, told_us: int = 0) -> int:
        """told_us: what the log says, 0 for nothing."""
        seen_us, end_us = self._now(), (second + 1) * 1_000_000
        self._keeps_up = self._keeps_up or seen_us - end_us < _FRESH_US
        self._last_us = max(self._last_us, told_us or (seen_us if self._keeps_up else end_us))
        return self._last_us


def groups(events: Iterable[Event], clock: Clock) -> Iterator[Group | Began | Idle]:
    """A transaction is given when its last event has come; one that is cut off, by a lost connection, is not. clock: a new one each."""
    begun: Head | None = None
    parts, size = list[bytes](), 0
    for each in events:
        if each.kind == FORMAT:
            yield Began(each.raw)
        elif each.kind in HEARTBEATS:
            yield Idle(clock.idle_us())
        elif (first := head(each)) is not None:
            begun, parts, size = first, [each.raw], len(each.raw)
        elif begun is not None:
            parts.append(each.raw)
            size += len(each.raw)
            if begun.is_over(each, size):
                yield Group(begun.gtid, clock.moment_us(each.second, begun.moment_us), b"".join(parts))
                begun = None
