"""Who may ask adapters now: few autoscalers at a time for each API, so that one which is slow leaves workers for all that do without it.

One that has to wait is taken by no worker: it is woken when its places are free, and they are kept for it until it has been. First come,
first served: whoever waits for several APIs is not overtaken in any of them.
"""

from collections.abc import Callable

PLACES = 2
"""For each API."""


class Turns:
    """wake: called with the key of one that had to wait and has its places now; each `take` that said yes ends with `leave`."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._held: dict[str, frozenset[str]] = {}
        self._waiting: dict[str, frozenset[str]] = {}

    def take(self, key: str, apis: frozenset[str]) -> bool:
        """False: not now; the key is woken."""
        held = self._held.get(key)
        if held is not None and apis <= held:
            return True
        if held is not None:
            self.leave(key)
        self._waiting[key] = apis
        self._give(asking=key)
        return key in self._held

    def leave(self, key: str) -> None:
        """Also for one that waits or was never here."""
        was_here = self._held.pop(key, None) is not None
        was_here = self._waiting.pop(key, None) is not None or was_here
        if was_here:
            self._give()

    def _give(self, asking: str = "") -> None:
        taken = [api for apis in self._held.values() for api in apis]
        full = {api for api in taken if taken.count(api) >= PLACES}
        known = frozenset().union(*self._waiting.values())
        given = []
        for key, apis in self._waiting.items():
            if known <= full:
                break
            if apis & full:
                full |= apis
                continue
            given.append(key)
            taken += apis
            full |= {api for api in apis if taken.count(api) >= PLACES}
        for key in given:
            self._held[key] = self._waiting.pop(key)
            if key != asking:
                self._wake(key)
