"""Makes accounts and databases in the primary what the order says, with no statement where all is so already."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pilothouse.platform.databases.inside.agent.dialects.seam import Accounts
from pilothouse.platform.databases.inside.agent.objects import names, rights
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql
from pilothouse.platform.databases.inside.agent.wanted import Account, Credentials, Database, Dropped, Grant, Wanted

_WORD = re.compile(r"^[A-Za-z0-9_]+$")
_SYSTEM_DATABASES = frozenset({"mysql", "sys", "information_schema", "performance_schema"})
_ACCOUNT = re.compile(r" (?:TO|FROM) [^`]*$")
_PRIVILEGE = re.compile(r"^[A-Za-z_]+( [A-Za-z]+)*$")


NO_SUCH_TABLE = 1146


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one entry: the version of it that was carried out, and why not if so. partial: all but what the error names was.

    waits: what the error names is given as soon as its table is there.
    """

    version: str
    error: str = ""
    partial: bool = False
    waits: bool = False


class Postponed(Exception):
    """Nothing of an account can be changed at the moment; one sentence of why."""


class Partly(Refused):
    """All of an account was carried out but for the rights that the message names. waits: all of them, for tables that are not there."""

    def __init__(self, errno: int, message: str, *, waits: bool) -> None:
        super().__init__(errno, message)
        self.waits = waits


def apply(server: Accounts, sql: Sql, wanted: Wanted, before: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """One bad entry does not stop the others. before: the outcomes until now, so that nothing is dropped twice.

    Raises Unreachable, Postponed.
    """
    if wanted.replication is not None:
        _account(server, sql, _replication(server, wanted.replication))
    return dict(_each(server, sql, wanted, before))


def _each(server: Accounts, sql: Sql, wanted: Wanted, before: Mapping[str, Outcome]) -> Iterator[tuple[str, Outcome]]:
    own = server.RESERVED | ({wanted.replication.user} if wanted.replication else set())
    for database in wanted.databases:
        yield f"database/{database.name}", _tried(database.version, partial(_database, sql, database))
    for account in wanted.accounts:
        yield f"account/{account.name}", _tried(account.version, partial(_foreign_account, server, sql, account, own))
    for dropped in wanted.dropped:
        key, done = f"{dropped.kind}/{dropped.name}", Outcome(dropped.version)
        yield key, done if before.get(key) == done else _tried(dropped.version, partial(_drop, server, sql, dropped, own))


def _tried(version: str, work: Callable[[], None]) -> Outcome:
    try:
        work()
    except Partly as error:
        return Outcome(version, str(error), partial=True, waits=error.waits)
    except (Refused, ValueError) as error:
        return Outcome(version, str(error))
    return Outcome(version)


def _replication(server: Accounts, credentials: Credentials) -> Account:
    grants = (Grant(server.REPLICATION, "*"),)
    return Account(credentials.user, credentials.password, credentials.old_password, grants, 0, "ssl", "")


def _foreign_account(server: Accounts, sql: Sql, account: Account, own: frozenset[str]) -> None:
    if account.name in own:
        raise ValueError(f"the account {account.name} is the system's own")
    _account(server, sql, account)


def _account(server: Accounts, sql: Sql, account: Account) -> None:
    for grant in account.grants:
        _check(grant)
    _run(server, sql, server.login_statements(sql, account))
    changes = rights.statements(account.name, rights.wanted(account), server.found_rights(sql, account.name))
    _each_right(sql, _possible(server, sql, changes))


def _run(server: Accounts, sql: Sql, statements: Sequence[str]) -> None:
    sql.run(*_possible(server, sql, statements))


def _possible(server: Accounts, sql: Sql, statements: Sequence[str]) -> Sequence[str]:
    """Raises Postponed."""
    if statements and (why := server.why_not_now(sql)):
        raise Postponed(why)
    return statements


def _each_right(sql: Sql, statements: Iterable[str]) -> None:
    """Raises Partly: one that the server refuses, such as a right on a table that is not there, does not stop the others."""
    refused: list[str] = []
    errors: set[int] = set()
    for statement in statements:
        try:
            sql.run(statement)
        except Refused as error:
            errors.add(error.errno)
            why = "waits for that table, which is not there yet" if error.errno == NO_SUCH_TABLE else f"is refused: {error}"
            refused.append(f"{_ACCOUNT.sub('', statement)} {why}")
    if refused:
        raise Partly(max(errors), "; ".join(refused), waits=errors == {NO_SUCH_TABLE})


def _check(grant: Grant) -> None:
    for privilege in grant.privileges:
        if not _PRIVILEGE.match(privilege):
            raise ValueError(f"{privilege!r} is no privilege")


def _database(sql: Sql, database: Database) -> None:
    for word in filter(None, (database.character_set, database.collation)):
        if not _WORD.match(word):
            raise ValueError(f"{word!r} is no character set and no collation")
    defaults = f"CHARACTER SET {database.character_set}" + (f" COLLATE {database.collation}" if database.collation else "")
    found = sql.row(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS characters, DEFAULT_COLLATION_NAME AS collation "
        "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
        (database.name,),
    )
    if not found:
        sql.run(f"CREATE DATABASE {names.identifier(database.name)} {defaults}")
    elif found["characters"] != database.character_set or database.collation not in ("", found["collation"]):
        sql.run(f"ALTER DATABASE {names.identifier(database.name)} {defaults}")


def _drop(server: Accounts, sql: Sql, dropped: Dropped, own: frozenset[str]) -> None:
    if dropped.kind == "database":
        if dropped.name in _SYSTEM_DATABASES:
            raise ValueError(f"the database {dropped.name} is the system's own")
        return sql.run(f"DROP DATABASE IF EXISTS {names.identifier(dropped.name)}")
    if dropped.name in own:
        raise ValueError(f"the account {dropped.name} is the system's own")
    _run(server, sql, [f"DROP USER IF EXISTS {names.account(dropped.name)}"])
    return _end_sessions(sql, dropped.name)


def _end_sessions(sql: Sql, user: str) -> None:
    """But for such as wait for an acknowledgement: ended, they would count as committed without one."""
    for row in sql.rows("SELECT id, state FROM information_schema.PROCESSLIST WHERE user = %s", (user,)):
        if "semi-sync" not in str(row["state"]):
            with suppress(Refused):
                sql.run(f"KILL {int(row['id'])}")
