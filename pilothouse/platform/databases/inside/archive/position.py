"""Positions of MariaDB's GTIDs: of each domain the last transaction, `0-1-55` or `0-1-55,1-1-7` (pure)."""

from collections.abc import Mapping

Position = Mapping[int, tuple[int, int]]
"""Domain -> (server, number)."""


def position(text: str) -> dict[int, tuple[int, int]]:
    """Raises ValueError with a sentence."""
    found: dict[int, tuple[int, int]] = {}
    for word in text.split(",") if text else ():
        try:
            domain, server, number = map(int, word.split("-"))
        except ValueError:
            raise ValueError(f"{text!r} is no GTID position: write it such as 0-1-55") from None
        found[domain] = (server, number)
    return found


def text(of: Position) -> str:
    return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in sorted(of.items()))


def after(before: Position, gtid: str) -> dict[int, tuple[int, int]]:
    """The position once that transaction is in."""
    return dict(before) | position(gtid)


def contains(of: Position, gtid: str) -> bool:
    """By number: what two servers have of one domain is the same up to where their histories part."""
    ((domain, (_, number)),) = position(gtid).items()
    return domain in of and of[domain][1] >= number


def reaches(later: Position, earlier: Position) -> bool:
    """Whether all that is in the earlier one is in the later one, by number."""
    return all(domain in later and later[domain][1] >= number for domain, (_, number) in earlier.items())
