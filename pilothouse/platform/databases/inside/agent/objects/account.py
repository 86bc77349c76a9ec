"""An account: what it should be, what the server has, and the statements between the two. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.platform.databases.inside.agent.objects import names
from pilothouse.platform.databases.inside.agent.wanted import Account

Rights = dict[str, frozenset[str]]
"""Scope as in GRANT -> privileges."""
_ALL = "ALL PRIVILEGES"
_GRANT = re.compile(r"^GRANT (.+?) ON (?:(?:TABLE|PROCEDURE|FUNCTION|PACKAGE) )?(.+?) TO ")
_SSL_TYPES = {"ssl": 1, "x509": 2}
_PLUGIN = "mysql_native_password"


@dataclass(frozen=True, slots=True)
class Login:
    """hashes: of the passwords that let it in."""

    hashes: tuple[str, ...]
    ssl_type: int
    max_connections: int


def wanted_login(account: Account) -> Login:
    passwords = [account.password] + ([account.old_password] if account.old_password else [])
    return Login(tuple(names.hashed(each) for each in passwords), _SSL_TYPES[account.require], account.max_connections)


def found_login(privileges: str) -> Login | None:
    """privileges: the JSON of `mysql.global_priv`. None when it lets in by other means too."""
    values = json.loads(privileges)
    ways = [values | way for way in values.get("auth_or") or [{}]]
    if any(way.get("plugin") != _PLUGIN for way in ways):
        return None
    hashes = tuple(str(way.get("authentication_string", "")) for way in ways)
    return Login(hashes, int(values.get("ssl_type", 0)), int(values.get("max_user_connections", 0)))


def login_statement(account: Account, verb: str) -> str:
    """verb: CREATE or ALTER."""
    login = wanted_login(account)
    ways = " OR ".join(f"{_PLUGIN} USING {names.text(each)}" for each in login.hashes)
    require = account.require.upper()
    limit = f"WITH MAX_USER_CONNECTIONS {account.max_connections}"
    return f"{verb} USER {names.account(account.name)} IDENTIFIED VIA {ways} REQUIRE {require} {limit}"


def wanted_rights(account: Account) -> Rights:
    rights: Rights = {}
    for grant in account.grants:
        privileges = frozenset(_ALL if each.upper() == "ALL" else each.upper() for each in grant.privileges)
        scope = names.scope(grant.on)
        rights[scope] = rights.get(scope, frozenset()) | privileges
    return {scope: frozenset({_ALL}) if _ALL in privileges else privileges for scope, privileges in rights.items()}


def found_rights(lines: Iterable[str]) -> Rights:
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


def rights_statements(name: str, wanted: Mapping[str, frozenset[str]], found: Mapping[str, frozenset[str]]) -> list[str]:
    """What is too much goes first."""
    made = []
    for scope, privileges in found.items():
        if extra := privileges - wanted.get(scope, frozenset()):
            made.append(f"REVOKE {', '.join(sorted(extra))} ON {scope} FROM {names.account(name)}")
    for scope, privileges in wanted.items():
        if missing := privileges - found.get(scope, frozenset()):
            made.append(f"GRANT {', '.join(sorted(missing))} ON {scope} TO {names.account(name)}")
    return made
