"""Takes transactions as they come and puts them into the store as segments, at most AGE_S after they came.

A store that does not answer, or is full, keeps it waiting and tried again; as more than HELD_BYTES would be held meanwhile it takes no
more, and the server keeps its log.
"""

import threading
import time
from dataclasses import dataclass, replace

from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.archive.groups import Began, Idle
from pilothouse.platform.databases.inside.archive.position import after, position, text
from pilothouse.platform.databases.inside.archive.segment import Group, Name
from pilothouse.platform.databases.inside.outcome import say
from pilothouse.platform.databases.inside.store.seam import StoreError

AGE_S = 0.5
MOST_BYTES = 8 << 20
HELD_BYTES = 64 << 20
SAYS_S = 5.0
"""How often it is written down that nothing has happened."""
_AGAIN_S = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Status:
    """until_us: everything up to then is in the store. position: of it. reason, message: what is in the way, "" for nothing.

    gap_after, gap_until: the positions between which the log is lost, of the last gap; "" for none. broken: a segment that cannot be read.
    """

    until_us: int = 0
    position: str = ""
    reason: str = ""
    message: str = ""
    segments: int = 0
    bytes: int = 0
    gap_after: str = ""
    gap_until: str = ""
    broken: str = ""


class Keeper:
    """position: what is in the store. received: what has come beside."""

    def __init__(self, archive: Archive, number: int, at: str) -> None:
        self._archive, self._number, self._said_at = archive, number, 0.0
        self._room = threading.Condition()
        self._groups: list[Group] = []
        self._batch: list[Group] = []
        self._held, self._idle_us = 0, 0
        self._format = b""
        self.position = self.received = at
        self.status = Status(position=at)

    def take(self, found: Group | Began | Idle) -> None:
        """Waits as long as too much is held."""
        with self._room:
            if isinstance(found, Began):
                self._room.wait_for(lambda: not self._groups)
                self._format = found.format_event
            elif isinstance(found, Idle):
                self._idle_us = found.seen_us
            else:
                self._room.wait_for(lambda: self._held < HELD_BYTES)
                self._groups.append(found)
                self._held += len(found.raw)
                self.received = text(after(position(self.received), found.gtid))

    def starts_at(self, at: str) -> None:
        """The next transactions come behind this position, whatever came before."""
        with self._room:
            self._room.wait_for(lambda: not self._groups)
            self.position = self.received = at

    def wants(self, reason: str, message: str) -> None:
        """Tell what is in the way, or with "" that nothing is."""
        if (reason, message) != (self.status.reason, self.status.message) and message:
            say(message)
        self.status = replace(self.status, reason=reason, message=message)

    def tell_gap(self, gap_after: str, gap_until: str) -> None:
        self.status = replace(self.status, gap_after=gap_after, gap_until=gap_until)

    def tell_broken(self, name: str) -> None:
        self.status = replace(self.status, broken=name)

    def run(self) -> None:
        """For ever."""
        failed = 0
        while True:
            try:
                self._keep()
                if failed:
                    self.wants("", "")
                failed = 0
            except StoreError as error:
                self.wants(error.reason, f"the archive waits: {error.message}")
                time.sleep(_AGAIN_S[min(failed, len(_AGAIN_S) - 1)])
                failed += 1
            time.sleep(AGE_S if self._held < MOST_BYTES else 0.01)

    def _keep(self) -> None:
        with self._room:
            # One that may lie in the store although its writing failed is written anew as it was: its name must not begin two histories.
            self._batch = self._batch or _batch(self._groups)
            idle_us = self._idle_us
        if self._batch:
            self._put(self._batch)
        elif idle_us > self.status.until_us:
            self._idle(idle_us)

    def _put(self, batch: list[Group]) -> None:
        last = position(self.position)
        for each in batch:
            last = after(last, each.gtid)
        name = Name(self._number, self.position, text(last))
        size = self._archive.put(name, [(self._format, batch)])
        with self._room:
            del self._groups[: len(batch)]
            self._batch = []
            self._held -= sum(len(each.raw) for each in batch)
            self._number += 1
            self.position = name.last
            self._room.notify_all()
        now = self.status
        self.status = replace(now, until_us=batch[-1].moment_us, position=name.last, segments=now.segments + 1, bytes=now.bytes + size)

    def _idle(self, idle_us: int) -> None:
        """Written down now and then: whoever restores needs it when all else is lost."""
        if time.monotonic() - self._said_at > SAYS_S:
            self._archive.say_until(idle_us, self.position)
            self._said_at = time.monotonic()
        self.status = replace(self.status, until_us=idle_us, position=self.position)


def _batch(groups: list[Group]) -> list[Group]:
    """The first of them, up to MOST_BYTES."""
    found, size = list[Group](), 0
    for each in groups:
        if found and size + len(each.raw) > MOST_BYTES:
            break
        found.append(each)
        size += len(each.raw)
    return found
