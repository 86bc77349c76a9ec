"""Positions in the history of transactions, by MariaDB's and MySQL's global transaction identifiers.

MariaDB: `domain-server-sequence`, one for each domain (https://mariadb.com/kb/en/gtid/); numbers of a domain grow without regard to
the server under strict mode, so two histories of one domain that differ show in the last number of each server.
MySQL: `uuid:1-5:7`, a set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.model.digits import natural

Ranges = list[tuple[int, int]]


class GtidError(ValueError):
    """A text that is no position."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last transactions of a member.

    last: by domain, its last transaction as (sequence, server). servers: by (domain, server), the last of that server, as far as the
    member remembers. sets: MySQL's transactions by server. own: the server that the member is itself, of MySQL's.
    """

    last: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    servers: Mapping[tuple[int, int], int] = field(default_factory=dict)
    sets: Mapping[str, Ranges] = field(default_factory=dict)
    own: str = ""

    def covers(self, other: "Position") -> bool:
        """Whether it has all that the other has, as far as positions tell."""
        return all(self._has(domain, *last) for domain, last in other.last.items()) and self._contains(other)

    def surely_covers(self, other: "Position") -> bool:
        """Whether that is certain: a member that was copied does not know which servers wrote before, so that it cannot tell."""
        return self.covers(other) and all(self._knows(domain, *last) for domain, last in other.last.items())

    def contradicts(self, other: "Position") -> bool:
        """Whether the other has what this one will never have, be it that one of them is of an earlier moment, as long as this one is a
        primary, which receives nothing.

        MariaDB: this one has gone as far in a domain and has other transactions there. MySQL: the other has some of another server.
        """
        if self.own:
            foreign = {server: ranges for server, ranges in other.sets.items() if server != self.own}
            return not self.covers(Position(sets=foreign))
        reached = [domain for domain, last in other.last.items() if domain in self.last and self.last[domain][0] >= last[0]]
        return any(not self._has(domain, *other.last[domain]) for domain in reached)

    def lacks(self, other: "Position") -> int:
        """How many transactions the other has beyond this one, provided that their histories agree."""
        numbered = sum(max(0, last[0] - self.last.get(domain, (0, 0))[0]) for domain, last in other.last.items())
        sets = (_count(ranges) - _common(ranges, self.sets.get(server, [])) for server, ranges in other.sets.items())
        return numbered + sum(sets)

    def __bool__(self) -> bool:
        return bool(self.last or self.sets)

    def _contains(self, other: "Position") -> bool:
        return all(_contains(self.sets.get(server, []), ranges) for server, ranges in other.sets.items())

    def _knows(self, domain: int, sequence: int, server: int) -> bool:
        return self.last.get(domain) == (sequence, server) or (domain, server) in self.servers

    def _has(self, domain: int, sequence: int, server: int) -> bool:
        mine = self.last.get(domain)
        if mine is None or mine[0] < sequence:
            return False
        if mine[0] == sequence:
            return mine[1] == server
        known = self.servers.get((domain, server))
        return known is None or known >= sequence


def parse(position: str, state: str = "") -> Position:
    """position: such as gtid_binlog_pos, or gtid_executed. state: MariaDB's gtid_binlog_state, MySQL's server_uuid. Raises GtidError."""
    texts = [text.strip() for text in position.replace("\n", "").split(",") if text.strip()]
    if any(":" in text for text in texts):
        return Position(sets=dict(_set(text) for text in texts), own=state.lower())
    last = {domain: (sequence, server) for domain, server, sequence in map(_triple, texts)}
    known = [_triple(text.strip()) for text in state.split(",") if text.strip()]
    return Position(last, {(domain, server): sequence for domain, server, sequence in known})


def _triple(text: str) -> tuple[int, int, int]:
    numbers = [natural(part) for part in text.split("-")]
    if len(numbers) != 3 or None in numbers:
        raise GtidError(f"{text!r} is no transaction, such as 0-1-55")
    domain, server, sequence = (number or 0 for number in numbers)
    return domain, server, sequence


def _set(text: str) -> tuple[str, Ranges]:
    server, *intervals = text.split(":")
    ranges = []
    for interval in intervals:
        first, _, last = interval.partition("-")
        start, end = natural(first), natural(last or first)
        if start is None or end is None or end < start:
            raise GtidError(f"{interval!r} in {text!r} is no range of transactions, such as 1-5")
        ranges.append((start, end))
    return server.lower(), sorted(ranges)


def _count(ranges: Ranges) -> int:
    return sum(end - start + 1 for start, end in ranges)


def _common(ranges: Ranges, others: Ranges) -> int:
    return sum(max(0, min(end, last) - max(start, first) + 1) for start, end in ranges for first, last in others)


def _contains(mine: Ranges, theirs: Ranges) -> bool:
    return all(any(start <= first and last <= end for start, end in mine) for first, last in theirs)
