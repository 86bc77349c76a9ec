"""An archive in a store: PREFIX/NUMBER_AFTER_LAST, and PREFIX-until, which says up to when nothing more has happened."""

import json

from pilothouse.platform.databases.inside.archive.runs import Link, Run, of_position, runs, until
from pilothouse.platform.databases.inside.archive.segment import Group, Name, decode, encode
from pilothouse.platform.databases.inside.store.sealed import get, put
from pilothouse.platform.databases.inside.store.seam import Missing, Store


class Archive:
    def __init__(self, store: Store, key: bytes, prefix: str) -> None:
        self._store, self._key, self._prefix = store, key, prefix

    def names(self) -> list[Name]:
        found = (Name.read(entry.name.removeprefix(f"{self._prefix}/")) for entry in self._store.entries(f"{self._prefix}/"))
        return [each for each in found if each is not None]

    def runs(self) -> list[Run]:
        return runs(self.names())

    def groups(self, link: Link) -> tuple[bytes, list[Group]]:
        """The format event and the transactions of a segment that count."""
        format_event, found = decode(get(self._store, f"{self._prefix}/{link.name.text}", self._key))
        return format_event, until(found, link.last)

    def put(self, name: Name, format_event: bytes, groups: list[Group]) -> int:
        """Returns its size in the store."""
        return put(self._store, f"{self._prefix}/{name.text}", self._key, encode(format_event, groups))

    def say_until(self, seen_us: int, position: str) -> None:
        put(self._store, f"{self._prefix}-until", self._key, json.dumps({"seenUs": seen_us, "position": position}).encode())

    def until(self) -> tuple[int, str]:
        """(0, "") when nothing was said."""
        try:
            found = json.loads(get(self._store, f"{self._prefix}-until", self._key))
        except Missing:
            return 0, ""
        return found["seenUs"], found["position"]

    def tidy(self) -> None:
        self._store.tidy(f"{self._prefix}/")

    def remove_before(self, at: str) -> None:
        """All that leads up to the position: nothing is restored from there any more."""
        needed = of_position(self.runs(), at)
        if needed is None:
            return
        first = min((link.name.number for link in needed), default=None)
        for name in self.names():
            if first is not None and name.number < first:
                self._store.delete(f"{self._prefix}/{name.text}")
