"""Answers of other name servers, kept as long as they say, within bounds; and one question upstream for all who ask the same meanwhile.

An answer is kept as it came. Who gets it later sees its own identifier and spelling of the name, and the time that is left.
Not kept: truncated answers, failures of servers, negative answers without an SOA record, and answers to questions with EDNS options,
which may be meant for the one who asked.
Source: RFC 1035 section 7.4, RFC 2308 sections 3 and 5 (negative answers), RFC 8767 (stale ones), RFC 6891 (an OPT record's TTL is none).
"""

import asyncio
import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from pilothouse.network.dns import codec
from pilothouse.network.dns.codec import MalformedMessage, Question

MOST_ENTRIES = 10_000
MOST_BYTES = 4 << 20
LONGEST_BYTES = 16 << 10
LONGEST_S, LONGEST_NEGATIVE_S = 300, 30
"""Of answers that say more. The machine may move to a network whose servers know other names, without a word to this one."""
STALE_TTL_S = 30
"""Source: RFC 8767 section 4."""
ENTRY_BYTES = 400
"""What an entry takes beside its answer, about."""

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """ttls: where in the answer a TTL stands, in bytes. since, until: by the cache's clock."""

    answer: bytes
    ttls: tuple[int, ...]
    since: float
    until: float
    stale_s: int = 0

    @property
    def size_bytes(self) -> int:
        return len(self.answer) + ENTRY_BYTES + 40 * len(self.ttls)


class Cache:
    """Owned by the event loop. now: seconds of a clock that never goes back."""

    def __init__(
        self, *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._now = now
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._size_bytes = 0
        self._asked: dict[Key, asyncio.Future[bytes]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def get(self, question: Question, *, limit_bytes: int = codec.STREAM_BYTES, of: Hashable = None) -> bytes | None:
        """limit_bytes: the longest answer that the asker takes. of: the servers that are meant, here and below."""
        key = _key(question, of)
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._now()
        if now >= entry.until:
            if now >= entry.until + entry.stale_s:
                self._drop(key)
            return None
        if len(entry.answer) > limit_bytes:
            return None
        self._entries.move_to_end(key)
        return self._aged(entry, question)

    def stale(self, question: Question, *, limit_bytes: int, of: Hashable = None) -> bytes | None:
        """An answer whose time is over, for as long as it was said to be of use then; clients are to ask again soon."""
        entry = self._entries.get(_key(question, of))
        if entry is None or self._now() >= entry.until + entry.stale_s or len(entry.answer) > limit_bytes:
            return None
        answer = bytearray(_addressed(entry.answer, question))
        for offset in entry.ttls:
            struct.pack_into("!I", answer, offset, STALE_TTL_S)
        return bytes(answer)

    async def ask(
        self,
        question: Question,
        *,
        limit_bytes: int,
        fetch: Callable[[], Awaitable[bytes]],
        longest_s: int = LONGEST_S,
        stale_s: int = 0,
        of: Hashable = None,
    ) -> bytes:
        """fetch: asks upstream. longest_s, stale_s: see `put`.

        Only one is under way for the same question; what it raises is raised for all who wait for it.
        """
        # Not by the exact limit, of which an asker could have thousands under way, each a chance for who guesses identifier and port.
        flight: Key = (*_key(question, of), (limit_bytes > codec.UDP_BYTES) + (limit_bytes > codec.EDNS_BYTES))
        if question.has_options:
            return await fetch()
        while (asked := self._asked.get(flight)) is not None:
            await asyncio.wait((asked,))
            if not asked.cancelled():
                return _addressed(asked.result(), question)
        answered = self._asked[flight] = asyncio.get_running_loop().create_future()
        try:
            answer = await fetch()
        except BaseException as error:
            if isinstance(error, Exception):
                answered.set_exception(error)
                answered.exception()  # seen: perhaps nobody else waits
            else:
                answered.cancel()
            raise
        else:
            answered.set_result(answer)
            self.put(question, answer, longest_s=longest_s, stale_s=stale_s, of=of)
            return answer
        finally:
            del self._asked[flight]

    def put(self, question: Question, answer: bytes, *, longest_s: int = LONGEST_S, stale_s: int = 0, of: Hashable = None) -> None:
        """Keep the answer to the question, if it may be kept: for at most longest_s, and then as a stale one for stale_s."""
        if question.has_options or len(answer) > LONGEST_BYTES:
            return
        try:
            life_s, ttls = lifetime(answer)
            life_s = min(life_s, longest_s)
        except MalformedMessage:
            return
        if life_s <= 0:
            return
        now = self._now()
        entry = Entry(answer, ttls, now, now + life_s, stale_s)
        key = _key(question, of)
        self._drop(key)
        self._entries[key] = entry
        self._size_bytes += entry.size_bytes
        while len(self._entries) > self._most_entries or self._size_bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        self._entries.clear()
        self._size_bytes = 0

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size_bytes -= entry.size_bytes

    def _aged(self, entry: Entry, question: Question) -> bytes:
        age_s = int(self._now() - entry.since)
        answer = bytearray(_addressed(entry.answer, question))
        for offset in entry.ttls:
            (ttl_s,) = struct.unpack_from("!I", answer, offset)
            struct.pack_into("!I", answer, offset, max(ttl_s - age_s, 0))
        return bytes(answer)


def lifetime(answer: bytes) -> tuple[int, tuple[int, ...]]:
    """For how many seconds the answer may be kept, 0 for not at all; and where its TTLs stand. Raises MalformedMessage."""
    flags, records = codec.records(answer)
    code = flags & 0xF
    if flags & codec.TC or code not in (codec.NOERROR, codec.NXDOMAIN):
        return 0, ()
    ttls = tuple(record.ttl_offset for record in records if record.type != codec.OPT)
    answers = [record.ttl_s for record in records if record.section == codec.ANSWER]
    if answers and code == codec.NOERROR and not _is_unfinished(records):
        return min(*answers, LONGEST_S), ttls
    negative = [min(record.ttl_s, _minimum_s(answer, record)) for record in records if _is_soa(record)]
    return (min(*negative, *answers, LONGEST_NEGATIVE_S), ttls) if negative else (0, ())


def _is_unfinished(records: list[codec.Place]) -> bool:
    """A CNAME without the records that were asked for, with an SOA: the target has none of them."""
    return all(record.type == codec.CNAME for record in records if record.section == codec.ANSWER) and any(map(_is_soa, records))


def _is_soa(record: codec.Place) -> bool:
    return record.section == codec.AUTHORITY and record.type == codec.SOA


def _minimum_s(answer: bytes, record: codec.Place) -> int:
    """The last of an SOA record's numbers."""
    minimum_s: int = struct.unpack_from("!I", answer, record.end - 4)[0] if record.end - record.start >= 20 else 0
    return minimum_s


def _key(question: Question, of: Hashable) -> Key:
    """All that an answer may depend on."""
    flags = question.flags & (codec.RD | codec.AD | codec.CD)
    return of, codec.folded(question.raw), flags, question.edns, question.wants_signatures


def _addressed(answer: bytes, question: Question) -> bytes:
    """With the asker's identifier and spelling of the name, which has the same length in any."""
    return struct.pack("!H", question.identifier) + answer[2:12] + question.raw + answer[12 + len(question.raw) :]
