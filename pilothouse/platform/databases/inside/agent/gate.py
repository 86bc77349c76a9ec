"""New connections of a server that is about to become the primary: they wait until it accepts writes.

`init_connect` runs before a connection's first statement. A lock in it does not do: a session in that state counts as disconnected to it.
"""

from pilothouse.platform.databases.inside.agent.sql import Sql

PATIENCE_S = 10
_STEP_S = 0.002
_WAIT = (
    "BEGIN NOT ATOMIC DECLARE i INT DEFAULT 0; "
    f"WHILE @@GLOBAL.read_only AND i < {round(PATIENCE_S / _STEP_S)} DO DO SLEEP({_STEP_S}); SET i = i + 1; END WHILE; END"
)


def close(sql: Sql) -> None:
    sql.rows("SET GLOBAL init_connect = %s", (_WAIT,))


def lift(sql: Sql) -> None:
    sql.run("SET GLOBAL init_connect = ''")
