"""An archive in a store: segments under PREFIX/, and PREFIX-until, which says up to when nothing more has happened."""

import json
from collections.abc import Iterable, Iterator

from pilothouse.platform.databases.inside.archive.position import after, contains, position, text
from pilothouse.platform.databases.inside.archive.runs import Link, Run, behind, in_place, index_of, is_whole, runs, until
from pilothouse.platform.databases.inside.archive.segment import Group, Name, Section, encode, sections
from pilothouse.platform.databases.inside.store.sealed import Keys, Sealer, get, put, unsealed
from pilothouse.platform.databases.inside.store.seam import Missing, Store, StoreError

_LISTINGS = 3
"""A folder that is listed while a merged segment takes the place of others may show neither: then it is listed again."""
_TURNED = "the archive took another way, after a failover, while it was read: it is read again"


class Archive:
    def __init__(self, store: Store, keys: Keys, prefix: str) -> None:
        self._store, self._keys, self._prefix = store, keys, prefix

    def path(self, name: Name) -> str:
        return f"{self._prefix}/{name.text}"

    def stored(self) -> dict[Name, int]:
        """All segments with their bytes in the store, also those that a merged one is in place of already."""
        for _ in range(_LISTINGS):
            found = {name: entry.size for entry in self._store.entries(f"{self._prefix}/") if (name := self._name(entry.name)) is not None}
            if is_whole(in_place(found)):
                break
        return found

    def runs(self) -> list[Run]:
        return runs(self.stored())

    def sections(self, link: Link) -> Iterator[Section]:
        """Of a segment, what counts. It may be merged meanwhile: then what is left comes from the merged one.

        Raises Missing, BrokenSeal, StoreError.
        """
        name, at = link.name, link.name.after
        while True:
            try:
                for format_event, groups in self._behind(name, at, link.last):
                    yield format_event, groups
                    at = _position_after(at, groups)
                if position(at) != position(link.last):
                    raise StoreError("StoreFailed", _TURNED)
                return
            except Missing:
                heir = self._heir(name)
                if heir is None:
                    raise
                name = heir

    def _behind(self, name: Name, at: str, last: str) -> Iterator[Section]:
        begin, passed = position(at), name.after
        for format_event, groups in sections(unsealed(self._store, self.path(name), self._keys)):
            inside = until(groups, last)
            fresh = [each for each in inside if not contains(begin, each.gtid)]
            passed = _position_after(passed, inside[: len(inside) - len(fresh)])
            if fresh:
                if position(passed) != begin:
                    raise StoreError("StoreFailed", _TURNED)
                yield format_event, fresh
                begin = position(passed := _position_after(passed, fresh))

    def _heir(self, name: Name) -> Name | None:
        """The segment that was merged of this one and others."""
        found = in_place(self.stored())
        return next((each for each in found if each.first <= name.first and name.number <= each.number and each != name), None)

    def put(self, name: Name, found: Iterable[Section]) -> int:
        """Section by section. Returns its size in the store."""
        sealer = Sealer(self._store, self.path(name), self._keys)
        try:
            for format_event, groups in found:
                sealer.write(encode(format_event, groups))
            sealer.commit()
        except BaseException:
            sealer.abort()
            raise
        return sealer.size

    def has(self, name: Name, size: int) -> bool:
        """Whether it is there and as large as it was written."""
        return any(entry.name == self.path(name) and entry.size == size for entry in self._store.entries(self.path(name)))

    def remove(self, name: Name) -> None:
        self._store.delete(self.path(name))

    def say_until(self, seen_us: int, at: str) -> None:
        put(self._store, f"{self._prefix}-until", self._keys, json.dumps({"seenUs": seen_us, "position": at}).encode())

    def until(self) -> tuple[int, str]:
        """(0, "") when nothing was said."""
        try:
            found = json.loads(get(self._store, f"{self._prefix}-until", self._keys))
        except Missing:
            return 0, ""
        return found["seenUs"], found["position"]

    def tidy(self) -> None:
        self._store.tidy(f"{self._prefix}/")

    def remove_before(self, at: str) -> None:
        """All that leads up to the position: nothing is restored from there any more. The last segment stays: it says where to go on."""
        names = in_place(stored := self.stored())
        found = runs(names)
        number = index_of(found, at)
        if number is None:
            return
        needed = behind(found[number], at)
        first = needed[0].name.first if needed else found[number][-1].name.first
        # From the oldest on, so that what is left when this is interrupted is whole.
        for name in sorted(stored, key=lambda each: each.number):
            if name.number < first:
                self.remove(name)

    def _name(self, path: str) -> Name | None:
        return Name.read(path.removeprefix(f"{self._prefix}/"))


def _position_after(at: str, groups: list[Group]) -> str:
    found = position(at)
    for each in groups:
        found = after(found, each.gtid)
    return text(found)
