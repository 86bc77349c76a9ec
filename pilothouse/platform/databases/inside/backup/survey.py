"""What a server holds, table by table: rows, checksum, definition. Two servers with the same data give the same survey.

Tables of the system are left out but for those that hold accounts, grants, routines and events.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.outcome import Failure

if TYPE_CHECKING:
    from pymysql.connections import Connection

_SYSTEM = ("information_schema", "performance_schema", "sys", "mysql")


@dataclass(frozen=True, slots=True)
class Table:
    """checksum: CHECKSUM TABLE's, over all rows. definition: a digest of SHOW CREATE TABLE."""

    schema: str
    name: str
    rows: int
    checksum: int
    definition: str

    @property
    def shown(self) -> str:
        return f"{self.schema}.{self.name}"


def survey(connection: "Connection") -> list[Table]:
    """Reads each row of each table. Raises Failure when CHECK TABLE finds one damaged."""
    kept = tools.of_image().kept
    tables = (
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND"  # noqa: S608 -- constants
        f" (table_schema NOT IN {_SYSTEM} OR table_schema = 'mysql' AND table_name IN {kept}) ORDER BY 1, 2"
    )
    return [_table(connection, schema, name) for schema, name in _rows(connection, tables)]


def version(connection: "Connection") -> str:
    """Such as 10.11.18."""
    return _rows(connection, "SELECT VERSION()")[0][0].split("-")[0]


def differences(recorded: list[Table], found: list[Table]) -> Iterator[str]:
    """Clauses that say how the restored server differs from what was recorded."""
    now = {table.shown: table for table in found}
    for table in recorded:
        other = now.pop(table.shown, None)
        if other is None:
            yield f"{table.shown} is missing"
        elif other.rows != table.rows:
            yield f"{table.shown} has {other.rows} rows instead of {table.rows}"
        elif other.definition != table.definition:
            yield f"{table.shown} is defined otherwise"
        elif other.checksum != table.checksum:
            yield f"rows of {table.shown} differ"
    yield from (f"{name} was not there" for name in now)


def _table(connection: "Connection", schema: str, name: str) -> Table:
    place = f"`{_quoted(schema)}`.`{_quoted(name)}`"
    for _, _, kind, text in _rows(connection, f"CHECK TABLE {place}"):
        if kind in ("error", "Error") or (kind == "status" and text not in ("OK", "Table is already up to date")):
            raise Failure("BrokenCopy", f"CHECK TABLE {schema}.{name} in the restored server: {text}")
    ((count,),) = _rows(connection, f"SELECT COUNT(*) FROM {place}")  # noqa: S608 -- names are quoted
    ((_, checksum),) = _rows(connection, f"CHECKSUM TABLE {place} EXTENDED")
    if schema == "mysql" and name in tools.of_image().counted:
        # They hold when they were made: a logical copy makes them anew.
        checksum = "0"
    shown = _rows(connection, f"SHOW CREATE TABLE {place}")[0][1]
    return Table(schema, name, int(count), int(checksum or 0), hashlib.sha256(shown.encode()).hexdigest()[:16])


def _rows(connection: "Connection", statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _quoted(name: str) -> str:
    return name.replace("`", "``")
