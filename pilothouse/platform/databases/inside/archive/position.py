"""Positions in the history of transactions, as servers write them; a text tells which form it has (pure).

MariaDB's has of each domain the last transaction: `0-1-55` or `0-1-55,1-1-7`. MySQL's has of each server all: `UUID:1-5:7,UUID:1-3`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Last:
    server: int
    number: int


Ranges = tuple[tuple[int, int], ...]
"""From a first to a last one, in order and apart."""
Position = Mapping[str, Last | Ranges]
"""By domain or by server."""
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


def position(text: str) -> dict[str, Last | Ranges]:
    """Raises ValueError with a sentence."""
    found: dict[str, Last | Ranges] = {}
    for word in re.split(r",\s*", text) if text else ():
        try:
            if ":" in word:
                server, *ranges = word.lower().split(":")
                found[_server(server)] = _joined([_range(each) for each in ranges], found.get(_server(server)))
            else:
                domain, server_id, number = map(int, word.split("-"))
                found[str(domain)] = Last(server_id, number)
        except ValueError:
            raise ValueError(f"{text!r} is no GTID position: write it such as 0-1-55, or UUID:1-55 of MySQL") from None
    return found


def text(of: Position) -> str:
    return ",".join(_entry(key, value) for key, value in sorted(of.items(), key=lambda each: (len(each[0]), each[0])))


def after(before: Position, gtid: str) -> dict[str, Last | Ranges]:
    """The position once that transaction is in."""
    found = dict(before)
    for key, value in position(gtid).items():
        found[key] = value if isinstance(value, Last) else _joined(list(value), found.get(key))
    return found


def contains(of: Position, gtid: str) -> bool:
    """MariaDB's by number: what two servers have of one domain is the same up to where their histories part."""
    return reaches(of, position(gtid))


def reaches(later: Position, earlier: Position) -> bool:
    """Whether all that is in the earlier one is in the later one."""
    return all(_covers(later.get(key), value) for key, value in earlier.items())


def count(of: Position) -> int:
    """How many transactions that is; of MariaDB's, up to its last one in each domain."""
    return sum(each.number if isinstance(each, Last) else sum(b - a + 1 for a, b in each) for each in of.values())


def _covers(mine: Last | Ranges | None, other: Last | Ranges) -> bool:
    if isinstance(other, Last):
        return isinstance(mine, Last) and mine.number >= other.number
    return isinstance(mine, tuple) and all(any(a <= first and last <= b for a, b in mine) for first, last in other)


def _entry(key: str, value: Last | Ranges) -> str:
    if isinstance(value, Last):
        return f"{key}-{value.server}-{value.number}"
    return ":".join([key, *(f"{a}-{b}" if a != b else f"{a}" for a, b in value)])


def _server(text: str) -> str:
    """With hyphens. Raises ValueError."""
    if not _UUID.fullmatch(text):
        raise ValueError(text)
    plain = text.replace("-", "")
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    start, end = int(first), int(last or first)
    if not 0 < start <= end:
        raise ValueError(text)
    return start, end


def _joined(ranges: list[tuple[int, int]], others: Last | Ranges | None) -> Ranges:
    made: list[tuple[int, int]] = []
    for start, end in sorted([*ranges, *(others if isinstance(others, tuple) else ())]):
        if made and start <= made[-1][1] + 1:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return tuple(made)
