"""Settings that a running server takes: what its memory asks for, and its parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.platform.databases.inside.agent.sql import Refused, Row, Sql

_SIZE = re.compile(r"^(\d+)([KMGT]?)$", re.IGNORECASE)
_FRACTION = re.compile(r"^-?\d+\.\d+$")
_POWERS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_WORDS = {"ON": "1", "TRUE": "1", "YES": "1", "OFF": "0", "FALSE": "0", "NO": "0"}
_LATER = frozenset({1198, 1205, 1238, 3017, 3021, 3081, 3085})
"""Refusals that say nothing of the value, which counts from a start: of what no running server changes (ER_INCORRECT_GLOBAL_LOCAL_VAR), of
what no running replica changes (ER_SLAVE_MUST_STOP, and MySQL's for each thread and channel), and ER_LOCK_WAIT_TIMEOUT.
"""


@dataclass(frozen=True, slots=True)
class Tuned:
    """pending: names of settings that count after a restart. rejected: by name, why the server does not take one."""

    pending: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)


def canonical(value: str) -> str:
    """Two spellings of one value are equal in it: 1M and 1048576, ON and 1, lists in any order."""
    text = value.strip()
    if match := _SIZE.match(text):
        return str(int(match.group(1)) << _POWERS[match.group(2).upper()])
    if _FRACTION.match(text):
        return f"{float(text):g}"
    words = sorted(each.strip().upper() for each in text.split(","))
    return ",".join(_WORDS.get(each, each) for each in words)


def tune(sql: Sql, variables: str, wanted: Mapping[str, str]) -> Tuned:
    """variables: see `Dialect`. wanted: values by name, with underscores. Sets what differs. Raises Unreachable."""
    pending, rejected = [], {}
    found = {str(row["name"]): row for row in sql.rows(variables, (",".join(wanted),))}
    for name, value in wanted.items():
        row = found.get(name)
        if row is None:
            rejected[name] = "this server has no such setting"
        elif canonical(str(row["value"])) != canonical(value):
            try:
                _set(sql, row, name, value)
            except Refused as error:
                if error.errno in _LATER:
                    pending.append(name)
                else:
                    rejected[name] = str(error)
    return Tuned(tuple(pending), rejected)


def _set(sql: Sql, row: Row, name: str, value: str) -> None:
    """Numbers as such: the server takes none in quotes."""
    numeric = bool(row["is_numeric"])
    text = canonical(value) if numeric else value
    if numeric and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise Refused(1232, f"{value!r} is no number")
    if numeric:
        sql.run(f"SET GLOBAL {name} = {text}")
    else:
        sql.rows(f"SET GLOBAL {name} = %s", (text,))
