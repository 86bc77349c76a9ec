"""From a stream of events to whole transactions."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.platform.databases.inside.archive.events import FORMAT, GTID, HEARTBEAT, Event, ends_group, gtid_of
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
    """Tells the moment of a transaction. A binary log holds whole seconds alone, in which statements began.

    While the archive keeps up it is the time at which it saw the transaction's end; while it catches up, the end of the second in which
    the last statement (the COMMIT, where there is one) began.
    """

    def __init__(self, now: Callable[[], int] = now_us) -> None:
        self._now = now
        self._keeps_up = False
        self._last_us = 0

    def idle_us(self) -> int:
        self._keeps_up = True
        return self._now()

    def moment_us(self, second: int) -> int:
        seen_us, end_us = self._now(), (second + 1) * 1_000_000
        self._keeps_up = self._keeps_up or seen_us - end_us < _FRESH_US
        self._last_us = max(self._last_us, seen_us if self._keeps_up else end_us)
        return self._last_us


def groups(events: Iterable[Event], clock: Clock) -> Iterator[Group | Began | Idle]:
    """A transaction is given when its last event has come; one that is cut off, by a lost connection, is not. clock: a new one each."""
    gtid, standalone, parts = "", False, list[bytes]()
    for each in events:
        if each.kind == FORMAT:
            yield Began(each.raw)
        elif each.kind == HEARTBEAT:
            yield Idle(clock.idle_us())
        elif each.kind == GTID:
            gtid, standalone = gtid_of(each)
            parts = [each.raw]
        elif gtid:
            parts.append(each.raw)
            if ends_group(each, standalone):
                yield Group(gtid, clock.moment_us(each.second), b"".join(parts))
                gtid = ""
