"""Logins by `mysql_native_password`, and what the server says of them and of rights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.platform.databases.inside.agent.objects import names
from pilothouse.platform.databases.inside.agent.objects.rights import Rights, found
from pilothouse.platform.databases.inside.agent.sql import Sql
from pilothouse.platform.databases.inside.agent.wanted import Account

RESERVED = frozenset({"root", "mysql", "mariadb.sys", "mariadb-sys", "PUBLIC", "replication"})
REPLICATION: tuple[str, ...] = ("REPLICATION SLAVE", "CONNECTION ADMIN")
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


def login_statements(sql: Sql, account: Account) -> Sequence[str]:
    row = sql.row("SELECT Priv FROM mysql.global_priv WHERE User = %s AND Host = '%%'", (account.name,))
    if not row:
        return [login_statement(account, "CREATE")]
    return [] if found_login(str(row["Priv"])) == wanted_login(account) else [login_statement(account, "ALTER")]


def why_not_now(sql: Sql) -> str:
    return ""


def found_rights(sql: Sql, name: str) -> Rights:
    return found(str(value) for row in sql.rows(f"SHOW GRANTS FOR {names.account(name)}") for value in row.values())
