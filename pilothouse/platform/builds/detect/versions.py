"""Version numbers and the ranges that projects ask for, as far as choosing a base image needs them."""

import re

Version = tuple[int, ...]
_CLAUSE = re.compile(r"^\s*(\^|~>|~=|~|>=|<=|!=|===|==|=|>|<)?\s*v?(\d+(?:\.(?:\d+|\*|x))*)", re.IGNORECASE)


def parse(text: str) -> Version:
    """`3.11.2` as (3, 11, 2); wildcards and what follows the digits are dropped."""
    return tuple(int(part[:9]) for part in re.findall(r"\d+", re.match(r"[\d.]*", text.strip().lstrip("v"))[0]))  # type: ignore[index]


def allows(asked: str, offered: str) -> bool:
    """Whether the offered version, such as "3.11", is in a range as PEP 440, npm or Poetry write it. Ranges not understood allow it.

    An offered version without a patch number stands for the newest patch.
    """
    return any(all(_allows(clause, parse(offered)) for clause in _clauses(part)) for part in asked.split("||"))


def _clauses(text: str) -> list[str]:
    joined = re.sub(r"([<>=~^!])\s+", r"\1", text.strip())
    if " - " in joined:
        low, _, high = joined.partition(" - ")
        return [f">={low}", f"<={high}"]
    return [clause for clause in re.split(r"[,\s]+", joined) if clause]


def _allows(clause: str, offered: Version) -> bool:
    found = _CLAUSE.match(clause)
    if found is None:
        return True
    operator, wanted = found[1] or "", parse(found[2].replace(".*", "").replace(".x", "").replace(".X", ""))
    shared = min(len(wanted), len(offered))
    start, have = wanted[:shared], offered[:shared]
    if operator in (">=", "<=", ">", "<"):
        return _compare(operator, have, start, len(wanted) > len(offered))
    if operator == "!=":
        return have != start or len(wanted) > len(offered)
    if operator == "^":
        return have >= start and have[0] == wanted[0] and (wanted[0] != 0 or have[:2] == start[:2])
    if operator in ("~", "~=", "~>"):
        fixed = max(1, len(wanted) - 1) if operator != "~" or len(wanted) > 2 else len(wanted)
        return have >= start and have[:fixed] == start[:fixed]
    return have == start


def _compare(operator: str, have: Version, start: Version, finer: bool) -> bool:
    """finer: the range names a patch that the offered version leaves open."""
    if operator == ">=":
        return have >= start
    if operator == "<=":
        return have <= start
    if operator == ">":
        return have > start or (finer and have == start)
    return have < start
