"""Logins by `caching_sha2_password`, with a second password while one is being replaced, and rights as the server tells them."""

from collections.abc import Iterator, Sequence

from pilothouse.platform.databases.inside.agent.dialects.mysql.crypt import is_of
from pilothouse.platform.databases.inside.agent.objects import names
from pilothouse.platform.databases.inside.agent.objects.rights import ALL, Rights, found
from pilothouse.platform.databases.inside.agent.sql import Row, Sql
from pilothouse.platform.databases.inside.agent.wanted import Account

RESERVED = frozenset({"root", "mysql", "mysql.sys", "mysql.session", "mysql.infoschema", "replication"})
REPLICATION: tuple[str, ...] = ("REPLICATION SLAVE", "CONNECTION_ADMIN")
_PLUGIN = "caching_sha2_password"
_SSL_TYPES = {"ssl": "ANY", "x509": "X509"}
_LOGIN = (
    "SELECT plugin, authentication_string AS password, ssl_type, max_user_connections, "
    "COALESCE(JSON_UNQUOTE(JSON_EXTRACT(User_attributes, '$.additional_password')), '') AS second "
    "FROM mysql.user WHERE User = %s AND Host = '%%'"
)


def login_statements(sql: Sql, account: Account) -> Sequence[str]:
    row = sql.row(_LOGIN, (account.name,))
    return list(_changes(account, row) if row else _creation(account))


def why_not_now(sql: Sql) -> str:
    """A change of accounts holds up all new connections until it is acknowledged, also those of the replicas that should acknowledge it."""
    if not sql.row("SELECT @@global.rpl_semi_sync_source_enabled AS waits")["waits"]:
        return ""
    row = sql.row("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_clients'")
    return "" if int(row["Value"]) else "no replica is connected that could acknowledge a change of accounts"


def found_rights(sql: Sql, name: str) -> Rights:
    """The server tells all rights on everything one by one, so they are compared with the agent's own, which are all."""
    rights = found(_lines(sql, f"SHOW GRANTS FOR {names.account(name)}"))
    every = found(_lines(sql, "SHOW GRANTS")).get("*.*", frozenset()) - {"GRANT OPTION"}
    of_all = rights.get("*.*", frozenset())
    return rights | {"*.*": of_all - every | {ALL}} if every and every <= of_all else rights


def _lines(sql: Sql, statement: str) -> Iterator[str]:
    return (str(value) for row in sql.rows(statement) for value in row.values())


def _creation(account: Account) -> Iterator[str]:
    first = account.old_password or account.password
    yield f"CREATE USER {names.account(account.name)} {_password(first)} {_limits(account)}"
    if account.old_password:
        yield _alter(account, f"{_password(account.password)} RETAIN CURRENT PASSWORD")


def _changes(account: Account, row: Row) -> Iterator[str]:
    if (str(row["ssl_type"]), int(row["max_user_connections"])) != (_SSL_TYPES[account.require], account.max_connections):
        yield _alter(account, _limits(account))
    kept, second = str(row["password"]) if row["plugin"] == _PLUGIN else "", str(row["second"])
    if account.old_password:
        yield from _two(account, kept, second)
        return
    if not is_of(account.password, kept):
        yield _alter(account, _password(account.password))
    if second:
        yield _alter(account, "DISCARD OLD PASSWORD")


def _two(account: Account, kept: str, second: str) -> Iterator[str]:
    """At no moment does neither of both let in, when one of them did before."""
    if is_of(account.password, kept) and is_of(account.old_password, second):
        return
    if not is_of(account.old_password, kept):
        retain = " RETAIN CURRENT PASSWORD" if kept else ""
        yield _alter(account, _password(account.old_password) + retain)
    yield _alter(account, f"{_password(account.password)} RETAIN CURRENT PASSWORD")


def _alter(account: Account, what: str) -> str:
    return f"ALTER USER {names.account(account.name)} {what}"


def _password(password: str) -> str:
    """Over the socket. The server writes no log with it but as a hash."""
    return f"IDENTIFIED WITH {_PLUGIN} BY {names.text(password)}"


def _limits(account: Account) -> str:
    return f"REQUIRE {account.require.upper()} WITH MAX_USER_CONNECTIONS {account.max_connections}"
