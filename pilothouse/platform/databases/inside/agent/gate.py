"""New connections of a server that is about to become the primary: they wait until it accepts writes.

`init_connect` runs before a connection's first statement. A lock in it does not do: a session in that state counts as disconnected to it.
"""

from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect
from pilothouse.platform.databases.inside.agent.sql import Sql


def close(dialect: Dialect, sql: Sql) -> None:
    sql.rows("SET GLOBAL init_connect = %s", (dialect.gate,))


def lift(sql: Sql) -> None:
    sql.run("SET GLOBAL init_connect = ''")
