"""One row that clients read, write and compare-and-set while primaries die: what they see is one register's."""

import threading
import time
from typing import Any

import pymysql
import pytest

from bench.rig.writers import Plan
from tests.e2e.databases.register import UNKNOWN, Operation, is_linearizable
from tests.e2e.databases.trio import Trio

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
CLIENTS, KILLS = 4, 3
THINK_S = 0.05
"""Between two operations of a client: the judge's work grows with what lies side by side."""
HARMLESS = frozenset([1290, 1205, 1213, 2002, 2003])
"""Read only, given up for a lock, not connected: the operation has not been."""


class Client(threading.Thread):
    """operations: what it has done, in the order of their beginning."""

    def __init__(self, plan: Plan, number: int, ending: threading.Event) -> None:
        super().__init__(name=f"client {number}")
        self.operations: list[Operation] = []
        self._plan, self._number, self._ending = plan, number, ending
        self._connection: pymysql.Connection[Any] | None = None
        self._last = 0

    def run(self) -> None:
        turn = 0
        while not self._ending.wait(THINK_S):
            turn += 1
            if self._connect():
                self._operate(turn)

    def _connect(self) -> bool:
        if self._connection is None:
            try:
                self._connection = self._plan.connect()
                self._connection.autocommit(False)
            except (pymysql.err.Error, OSError):
                self._connection = None
        return self._connection is not None

    def _operate(self, turn: int) -> None:
        kind = ("read", "write", "cas")[turn % 3]
        value, expected = self._number * 1_000_000 + turn, self._last
        began, changes = time.monotonic(), False
        try:
            found = self._found()
            changes = kind == "write" or (kind == "cas" and found == expected)
            if changes:
                self._cursor().execute("UPDATE register SET value = %s WHERE id = 1", (value,))
            assert self._connection is not None
            self._connection.commit()
        except (pymysql.err.Error, OSError) as error:
            self._connection = None
            if changes and error.args[:1] not in [(code,) for code in HARMLESS]:
                self.operations.append(Operation(kind, began, UNKNOWN, value, expected))  # type: ignore[arg-type]
            return
        self._last = value if changes else found
        self.operations.append(Operation(kind, began, time.monotonic(), value, expected, found, changes or kind == "read"))  # type: ignore[arg-type]

    def _found(self) -> int:
        """Under the row's lock, so that what is seen is the last."""
        cursor = self._cursor()
        cursor.execute("SELECT value FROM register WHERE id = 1 FOR UPDATE")
        return int(cursor.fetchall()[0][0])

    def _cursor(self) -> Any:
        assert self._connection is not None
        return self._connection.cursor()


def test_a_row_is_one_register_while_primaries_die(trio: Trio, plan: Plan) -> None:
    make = "CREATE TABLE IF NOT EXISTS register (id INT PRIMARY KEY, value BIGINT NOT NULL)"
    trio.sql(trio.primary, make, "REPLACE INTO register VALUES (1, 0)")
    ending = threading.Event()
    clients = [Client(plan, number, ending) for number in range(1, CLIENTS + 1)]
    for client in clients:
        client.start()
    try:
        for _ in range(KILLS):
            time.sleep(3)
            old = trio.primary
            trio.kill_server(old)
            trio.until_well(120, but=old)
    finally:
        ending.set()
        for client in clients:
            client.join(30)
    operations = [each for client in clients for each in client.operations]
    assert len([each for each in operations if each.ended != UNKNOWN]) > 100
    assert is_linearizable(operations)
