"""Rights of an account: what it should have, what a server says that it has, and the statements between the two. Pure."""

import re
from collections.abc import Iterable, Mapping

from pilothouse.platform.databases.inside.agent.objects import names
from pilothouse.platform.databases.inside.agent.wanted import Account

Rights = dict[str, frozenset[str]]
"""Scope as in GRANT -> privileges."""
ALL = "ALL PRIVILEGES"
_GRANT = re.compile(r"^GRANT (.+?) ON (?:(?:TABLE|PROCEDURE|FUNCTION|PACKAGE) )?(.+?) TO ")


def wanted(account: Account) -> Rights:
    rights: Rights = {}
    for grant in account.grants:
        privileges = frozenset(ALL if each.upper() == "ALL" else each.upper() for each in grant.privileges)
        scope = names.scope(grant.on)
        rights[scope] = rights.get(scope, frozenset()) | privileges
    return {scope: frozenset({ALL}) if ALL in privileges else privileges for scope, privileges in rights.items()}


def found(lines: Iterable[str]) -> Rights:
    """lines: of SHOW GRANTS. The right to hand on is a privilege of its own here."""
    rights: Rights = {}
    for line in lines:
        match = _GRANT.match(line)
        if match is None:
            continue
        privileges = frozenset(filter(None, (each.strip() for each in match.group(1).split(",")))) - {"USAGE"}
        if line.rstrip().endswith("WITH GRANT OPTION"):
            privileges |= {"GRANT OPTION"}
        if privileges:
            rights[match.group(2)] = rights.get(match.group(2), frozenset()) | privileges
    return rights


def statements(name: str, wanted: Mapping[str, frozenset[str]], found: Mapping[str, frozenset[str]]) -> list[str]:
    """What is too much goes first."""
    made = []
    for scope, privileges in found.items():
        if extra := privileges - wanted.get(scope, frozenset()):
            made.append(f"REVOKE {', '.join(sorted(extra))} ON {scope} FROM {names.account(name)}")
    for scope, privileges in wanted.items():
        if missing := privileges - found.get(scope, frozenset()):
            made.append(f"GRANT {', '.join(sorted(missing))} ON {scope} TO {names.account(name)}")
    return made
