"""Merges segments of the archive while it goes on, in a thread of its own.

A merged segment is whole in the store before those that it was made of go. Whoever is killed between the two leaves both, of which the
merged one counts, and the others go at the next time.
"""

import time
from collections.abc import Iterator

from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.archive.keeper import Keeper
from pilothouse.platform.databases.inside.archive.merges import FAN, Merge, merges, regrouped
from pilothouse.platform.databases.inside.archive.runs import in_place, runs
from pilothouse.platform.databases.inside.archive.segment import Name, Section
from pilothouse.platform.databases.inside.outcome import say
from pilothouse.platform.databases.inside.store.sealed import BrokenSeal, UnknownKey
from pilothouse.platform.databases.inside.store.seam import Missing, StoreError

PAUSE_S = 1.0
_AGAIN_S = 60.0


class Merger:
    """broken: segments that cannot be read, and are left as they are. sealed: those under a key that is not among the store's now."""

    def __init__(self, archive: Archive, keeper: Keeper) -> None:
        self._archive, self._keeper = archive, keeper
        self.broken: frozenset[Name] = frozenset()
        self.sealed: frozenset[Name] = frozenset()

    def run(self) -> None:
        """For ever: at once, and whenever enough has been written since."""
        done = -FAN
        while True:
            if (written := self._keeper.status.segments) >= done + FAN:
                try:
                    self.once()
                    done = written
                except (StoreError, Missing) as error:
                    say(f"segments of the archive are not merged now: {error}")
                    time.sleep(_AGAIN_S)
            time.sleep(PAUSE_S)

    def once(self) -> None:
        """What merging leaves, and what a failover has made void in between, goes at its begin.

        Raises StoreError; Missing when somebody has removed a segment meanwhile."""
        stored = self._archive.stored()
        names = in_place(stored)
        for name in stored.keys() - frozenset(names):
            self._archive.remove(name)
        self.broken &= stored.keys()
        for run in runs(names):
            for merge in merges(run, stored, self.broken | self.sealed):
                self._merge(merge)
        self._keeper.tell_broken(min((self._archive.path(name) for name in self.broken), default=""))

    def _merge(self, merge: Merge) -> None:
        try:
            size = self._archive.put(merge.name, regrouped(self._sections(merge)))
        except BrokenSeal as error:
            say(f"a segment of the archive can't be read: {error}")
            return
        if not self._archive.has(merge.name, size):
            raise StoreError("StoreFailed", f"{merge.name.text} is not in the store as it was written")
        for link in merge.links:
            self._archive.remove(link.name)

    def _sections(self, merge: Merge) -> Iterator[Section]:
        for link in merge.links:
            try:
                yield from self._archive.sections(link)
            except UnknownKey:
                self.sealed |= {link.name}
                raise
            except BrokenSeal:
                self.broken |= {link.name}
                raise
