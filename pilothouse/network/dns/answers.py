"""Answers to whole questions, as bytes, until an object changes that they were made of.

An entry is found by the question's bytes behind its identifier and by whose answer it is (`key_of`), so a question that was asked before
costs a look into a dictionary or two.
Answers of several records are kept in several orders, which take turns, so that clients that take the first spread over all.
Only what the informers' caches alone decide is kept here; the owner drops it when they change. Where the room is too small, the asker
whose questions take the most of it loses its oldest, so that one who asks for everything pushes out its own answers first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_BYTES = 16 << 20
LONGEST_BYTES, LONGEST_QUESTION_BYTES = 4096, 350
"""The second: an asker's address, a header behind its identifier, the longest name with type and class, an OPT record without options."""
ENTRY_BYTES = 600
"""What an entry takes beside its answers, about."""
MOST_NEWS = 50_000
"""Of questions; more than are kept at a time."""
ORDERS = 32
"""How many orders of an answer's records are kept, at most: each of so many addresses is the first in one of them."""
NEWS_BYTES = 64 << 10
MOST_SHARES = 256
"""So many askers have a share of the room of their own: a full node's pods, of both families. Further ones have one together."""


@dataclass(slots=True)
class Share:
    """The part of the room that one asker's questions take. keys: the oldest first."""

    asker: str
    # The first of a plain dictionary takes longer to find the more have gone before it.
    keys: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    size_bytes: int = 0


@dataclass(slots=True)
class Entry:
    """answers: without the identifier, one an order; wanted: how many orders there are to be. type, code: for the figures.

    depends_on: names of what it was made of. share: of who has asked first.
    """

    depends_on: tuple[str, ...]
    share: Share
    wanted: int
    type: int
    code: int
    answers: list[bytes] = field(default_factory=list)
    turn: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """is_all_forgotten: before the answers here. answers: one order each of those that are new, None for one that is gone."""

    is_all_forgotten: bool
    answers: dict[bytes, bytes | None]


def key_of(asker: str, question: bytes) -> bytes:
    """Of an answer that is this asker's alone; asker: an address, "" for an answer that is everybody's. question: without its identifier.

    An address has no zero byte, so no question, whatever bytes it has, is found under another asker than the one it is looked up for.
    """
    return asker.encode() + b"\0" + question


def parts_of(key: bytes) -> tuple[str, bytes]:
    """Asker and question of what `key_of` has made. Raises UnicodeDecodeError for bytes that it has not."""
    asker, _, question = key.partition(b"\0")
    return asker.decode(), question


class AnswerCache:
    """Owned by the event loop. has_news: set while `news` has some, for the one who passes them on."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.has_news = asyncio.Event()
        self._most_bytes = most_bytes
        self._size_bytes = 0
        self._entries: dict[bytes, Entry] = {}
        self._shares: dict[str, Share] = {}
        self._of: dict[str, set[bytes]] = {}
        self._news: OrderedDict[bytes, None] = OrderedDict()
        self._is_all_forgotten = False

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

    def put(self, key: bytes, answer: bytes, depends_on: Iterable[str], *, records: int, type: int, code: int, asker: str = "") -> None:
        """depends_on: names of what it was made of, as `forget` is given them. records: of the answer section. asker: in whose share, if
        nobody has asked before."""
        if len(answer) > LONGEST_BYTES or len(key) > LONGEST_QUESTION_BYTES:
            return
        entry = self._entries.get(key)
        if entry is None:
            share = self._share_of(asker)
            share.keys[key] = None
            entry = self._entries[key] = Entry(tuple(depends_on), share, min(max(records, 1), ORDERS), type, code)
            self._grow(share, ENTRY_BYTES + 2 * len(key))
            for name in entry.depends_on:
                self._of.setdefault(name, set()).add(key)
        if len(entry.answers) < entry.wanted:
            if not entry.answers:
                self._note(key)
            entry.answers.append(answer)
            self._grow(entry.share, len(answer))
        while self._size_bytes > self._most_bytes:
            largest = max(self._shares.values(), key=_size_bytes)
            self._drop(next(iter(largest.keys)))

    def forget(self, name: str) -> None:
        """All that was made of it."""
        for key in tuple(self._of.get(name, ())):
            self._drop(key)

    def clear(self) -> None:
        self._entries.clear()
        self._shares.clear()
        self._of.clear()
        self._size_bytes = 0
        self.tell_all()

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key)
        for name in entry.depends_on:
            keys = self._of[name]
            keys.discard(key)
            if not keys:
                del self._of[name]
        self._note(key)
        share = entry.share
        del share.keys[key]
        self._grow(share, -(ENTRY_BYTES + 2 * len(key) + sum(map(len, entry.answers))))
        if not share.keys:
            del self._shares[share.asker]

    def _share_of(self, asker: str) -> Share:
        if asker not in self._shares and len(self._shares) >= MOST_SHARES:
            asker = ""
        share = self._shares.get(asker)
        if share is None:
            share = self._shares[asker] = Share(asker)
        return share

    def _grow(self, share: Share, size_bytes: int) -> None:
        share.size_bytes += size_bytes
        self._size_bytes += size_bytes

    def _note(self, key: bytes) -> None:
        if len(self._news) >= MOST_NEWS:
            self.tell_all()
        self._news[key] = None
        self.has_news.set()

    def tell_all(self) -> None:
        """To who knows nothing yet: `news` begins anew."""
        self._is_all_forgotten, self._news = True, OrderedDict.fromkeys(self._entries)
        self.has_news.set()

    def news(self, most_bytes: int = NEWS_BYTES) -> News:
        """What has not been told so far; a part of it where it is long, and then `has_news` stays set."""
        told: dict[bytes, bytes | None] = {}
        size_bytes = 0
        while self._news and size_bytes < most_bytes:
            key, _ = self._news.popitem(last=False)
            entry = self._entries.get(key)
            told[key] = None if entry is None else entry.answers[0]
            size_bytes += len(key) + len(told[key] or b"")
        found, self._is_all_forgotten = News(self._is_all_forgotten, told), False
        if not self._news:
            self.has_news.clear()
        return found


def _size_bytes(share: Share) -> int:
    return share.size_bytes
