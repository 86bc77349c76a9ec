"""Names and texts as SQL takes them. Pure."""

import hashlib


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def account(name: str) -> str:
    """From every host: the network policy and TLS say who comes near."""
    return f"{text(name)}@'%'"


def hashed(password: str) -> str:
    """As `mysql_native_password` keeps it. The server is told this alone, so that no log of it has the password."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 -- what the protocol has


def scope(on: str) -> str:
    """on: `*`, a database, or a table as `database.table`; see `wanted.Grant`. In a database's name `_` and `%` are wildcards here."""
    if on == "*":
        return "*.*"
    database, dot, table = on.partition(".")
    if dot:
        return f"{identifier(database)}.{identifier(table)}"
    escaped = database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    return f"{identifier(escaped)}.*"
