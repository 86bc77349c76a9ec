"""Positions of one replication domain, as MariaDB writes them: `0-17-55` is the transaction 55 that the server 17 wrote. Pure."""

DOMAIN = 0


def sequence(position: str) -> int:
    """Of the last transaction of our domain; 0 when there is none. Raises ValueError for what is no position."""
    for part in filter(None, (each.strip() for each in position.split(","))):
        domain, _, number = (int(each) for each in part.split("-"))
        if domain == DOMAIN:
            return number
    return 0


def covers(position: str, other: str) -> bool:
    """Whether one who has `position` has all up to `other`, provided that their histories agree."""
    return sequence(position) >= sequence(other)


def later(position: str, other: str) -> str:
    """The one that goes further, provided that their histories agree; the first of equals."""
    return position if covers(position, other) else other
