"""Positions, as the servers write them: what a member has of the history of transactions. Pure.

MariaDB's `0-17-55` is the transaction 55 of the domain 0, that the server 17 wrote, and those before it. MySQL's `UUID:1-5:7,UUID:1-3` is a
set of transactions by the server that wrote them. The texts tell which they are, so nobody else has to know.
"""

DOMAIN = 0
Ranges = list[tuple[int, int]]
Sets = dict[str, Ranges]


def sequence(position: str) -> int:
    """Of MariaDB's last transaction of our domain; 0 when there is none. Raises ValueError for what is no position."""
    for part in filter(None, (each.strip() for each in position.split(","))):
        domain, _, number = (int(each) for each in part.split("-"))
        if domain == DOMAIN:
            return number
    return 0


def sets(position: str) -> Sets:
    """MySQL's transactions by server, as ranges from a first to a last one, in order and apart. Raises ValueError for what is no such set.

    Source: the MySQL manual, "GTID Sets": a server may come again, and its ranges in any order.
    """
    found: Sets = {}
    for part in filter(None, (each.strip() for each in position.split(","))):
        server, *ranges = part.split(":")
        if len(server) != 36 or not ranges:
            raise ValueError(f"{part!r} is no set of transactions")
        found.setdefault(server.lower(), []).extend(_range(each) for each in ranges)
    return {server: _joined(ranges) for server, ranges in found.items()}


def text(position: Sets) -> str:
    """As the server writes it."""
    return ",".join(":".join([server, *map(_interval, ranges)]) for server, ranges in sorted(position.items()))


def check(position: str) -> None:
    """Raises ValueError for a text that is no position of either form."""
    sets(position) if ":" in position else sequence(position)


def covers(position: str, other: str) -> bool:
    """Whether one who has `position` has all of `other`; MariaDB's tell only how far both are, provided that their histories agree."""
    if ":" in position or ":" in other:
        mine = sets(position)
        return all(_has(mine.get(server, []), each) for server, ranges in sets(other).items() for each in ranges)
    return sequence(position) >= sequence(other)


def has(position: Sets, server: str, number: int) -> bool:
    """Of one transaction of MySQL's."""
    return _has(position.get(server, []), (number, number))


def later(position: str, other: str) -> str:
    """What one has who has both; the first of equals."""
    if covers(position, other):
        return position
    return union(position, other) if ":" in other else other


def union(position: str, other: str) -> str:
    """MySQL's."""
    return text(sets(",".join((position, other))))


def own(position: str, server: str) -> str:
    """What the server with that UUID has written itself of MySQL's position."""
    ranges = sets(position).get(server.lower())
    return text({server.lower(): ranges}) if ranges else ""


def without(position: str, server: str) -> str:
    """MySQL's, less what the server with that UUID has written itself."""
    return text({each: ranges for each, ranges in sets(position).items() if each != server.lower()})


def count(position: str) -> int:
    """How many transactions that is."""
    return sum(b - a + 1 for ranges in sets(position).values() for a, b in ranges) if ":" in position else sequence(position)


def _range(interval: str) -> tuple[int, int]:
    first, _, last = interval.partition("-")
    start, end = int(first), int(last or first)
    if not 0 < start <= end:
        raise ValueError(f"{interval!r} is no range of transactions")
    return start, end


def _interval(of: tuple[int, int]) -> str:
    return f"{of[0]}-{of[1]}" if of[0] != of[1] else f"{of[0]}"


def _joined(ranges: Ranges) -> Ranges:
    made: Ranges = []
    for start, end in sorted(ranges):
        if made and start <= made[-1][1] + 1:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return made


def _has(ranges: Ranges, wanted: tuple[int, int]) -> bool:
    return any(start <= wanted[0] and wanted[1] <= end for start, end in ranges)
