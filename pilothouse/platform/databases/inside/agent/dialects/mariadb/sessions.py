"""Statements about clients' sessions that need compound statements of their own."""

from collections.abc import Collection

from pilothouse.platform.databases.inside.agent.sql import Sql

_PATIENCE_S = 10
_STEP_S = 0.002
GATE = (
    "BEGIN NOT ATOMIC DECLARE i INT DEFAULT 0; "
    f"WHILE @@GLOBAL.read_only AND i < {round(_PATIENCE_S / _STEP_S)} DO DO SLEEP({_STEP_S}); SET i = i + 1; END WHILE; END"
)
_END = (
    "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; "
    "FOR s IN (SELECT id FROM information_schema.PROCESSLIST WHERE FIND_IN_SET(id, %s) AND command = 'Sleep' "
    "AND time_ms > GREATEST(20, TIMESTAMPDIFF(MICROSECOND, @looked, SYSDATE(6)) / 1000 + 1)) DO "
    "IF EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE id = s.id AND command = 'Sleep' "
    "AND time_ms > GREATEST(20, TIMESTAMPDIFF(MICROSECOND, @looked, SYSDATE(6)) / 1000 + 1)) THEN KILL s.id; END IF; "
    "END FOR; END"
)
"""Each is looked at once more right before it is ended. 1094: it is gone already."""


def end_idle(sql: Sql, sessions: Collection[int]) -> None:
    sql.rows(_END, (",".join(str(each) for each in sessions),))
