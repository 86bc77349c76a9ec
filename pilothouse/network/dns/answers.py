"""Answers to whole questions, as bytes, until an object changes that they were made of.

An entry is found by the question's bytes behind its identifier, so a question that was asked before costs a look into a dictionary.
Answers of several records are kept in several orders, which take turns, so that clients that take the first spread over all.
Only what the informers' caches alone decide is kept here; the owner drops it when they change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_BYTES = 16 << 20
LONGEST_BYTES = 4096
ENTRY_BYTES = 600
"""What an entry takes beside its answers, about."""
MOST_NEWS = 20_000
ORDERS = 32
"""How many orders of an answer's records are kept, at most: each of so many addresses is the first in one of them."""


@dataclass(slots=True)
class Entry:
    """answers: without the identifier, one an order; wanted: how many orders there are to be. type, code: for the figures.

    depends_on: names of what it was made of.
    """

    depends_on: tuple[str, ...]
    wanted: int
    type: int
    code: int
    answers: list[bytes] = field(default_factory=list)
    turn: int = 0


class AnswerCache:
    """Owned by the event loop."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._size_bytes = 0
        self._entries: dict[bytes, Entry] = {}
        self._of: dict[str, set[bytes]] = {}
        self._news: dict[bytes, bytes | None] = {}
        self._is_cleared = False

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> tuple[bytes, Entry] | None:
        """An answer without its identifier; None also while an order is still missing."""
        entry = self._entries.get(key)
        if entry is None or len(entry.answers) < entry.wanted:
            return None
        if entry.wanted == 1:
            return entry.answers[0], entry
        turn = entry.turn = (entry.turn + 1) % entry.wanted
        return entry.answers[turn], entry

    def turn(self, key: bytes) -> int:
        """How many orders there are already."""
        entry = self._entries.get(key)
        return 0 if entry is None else len(entry.answers)

    def put(self, key: bytes, answer: bytes, depends_on: Iterable[str], *, records: int, type: int, code: int) -> None:
        """depends_on: names of what it was made of, as `forget` is given them. records: of the answer section."""
        if len(answer) > LONGEST_BYTES or len(key) > LONGEST_BYTES:
            return
        if self._size_bytes > self._most_bytes:
            self.clear()
        entry = self._entries.get(key)
        if entry is None:
            self._size_bytes += ENTRY_BYTES + 2 * len(key)
            entry = self._entries[key] = Entry(tuple(depends_on), min(max(records, 1), ORDERS), type, code)
            for name in entry.depends_on:
                self._of.setdefault(name, set()).add(key)
        if len(entry.answers) < entry.wanted:
            if not entry.answers:
                self._note(key, answer)
            entry.answers.append(answer)
            self._size_bytes += len(answer)

    def forget(self, name: str) -> None:
        """All that was made of it."""
        for key in self._of.pop(name, ()):
            entry = self._entries.pop(key)
            for other in entry.depends_on:
                if keys := self._of.get(other):
                    keys.discard(key)
                    if not keys:
                        del self._of[other]
            self._note(key, None)
            self._size_bytes -= ENTRY_BYTES + 2 * len(key) + sum(map(len, entry.answers))

    def _note(self, key: bytes, answer: bytes | None) -> None:
        """For who asks for news. What nobody has asked for a long time is said as one: that all was dropped."""
        if len(self._news) >= MOST_NEWS:
            self._news, self._is_cleared = {}, True
        self._news[key] = answer

    def news(self) -> tuple[bool, dict[bytes, bytes | None]] | None:
        """Since it was asked last: whether all was dropped, and then one order of each answer that is new, None for one that is gone."""
        if not self._news and not self._is_cleared:
            return None
        found = self._is_cleared, self._news
        self._is_cleared, self._news = False, {}
        return found

    def clear(self) -> None:
        self._news = {}
        self._is_cleared = True
        self._entries.clear()
        self._of.clear()
        self._size_bytes = 0
