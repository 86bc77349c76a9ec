"""From a primary that works to another one, by the agents' orders alone, as real processes."""

import threading
import time
from collections.abc import Iterator

import pymysql
import pytest

from tests.platform.databases.inside.agent.test_replication import EMPTY, eventually, follow
from tests.platform.databases.lab import Lab, Member, needs_mysql

pytestmark = pytest.mark.slow
"""`tests/e2e/test_database.py` hands over, too."""


@pytest.fixture(params=["mariadb", pytest.param("mysql", marks=needs_mysql)])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Member, Member]]:
    lab = Lab(2, request.param)
    lab.start()
    old, new = lab.members
    old.applied(120, seed=EMPTY)
    new.until_up()
    follow(new, old)
    new.until(lambda state: state["applied"], 120)
    old.applied(semi_sync=True)
    old.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)")
    yield old, new
    lab.close()


class Client(threading.Thread):
    """A pool of one connection, which is asked whether it is alive before each transaction, and made anew when it is not."""

    def __init__(self, before: Member, after: Member) -> None:
        super().__init__(daemon=True)
        self._servers = [before, after]
        self.moved = threading.Event()
        self.is_over = threading.Event()
        self.written = 0
        self.errors: list[str] = []

    def run(self) -> None:
        while not self.is_over.is_set():
            server = self._servers[1] if self.moved.is_set() else self._servers[0]
            try:
                with server.connected() as connection:
                    self._use(connection)
            except pymysql.Error as error:
                self.errors.append(str(error))

    def _use(self, connection: "pymysql.Connection[pymysql.cursors.DictCursor]") -> None:
        while not self.is_over.is_set():
            time.sleep(0.05)
            try:
                connection.ping(reconnect=False)
            except pymysql.Error:
                return
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO t VALUES ()")
            self.written += 1


def test_new_connections_wait_at_the_new_primary_and_idle_ones_end_at_the_old_one(pair: tuple[Member, Member]) -> None:
    old, new = pair
    client = Client(old, new)
    client.start()
    eventually(lambda: client.written > 3)
    new.put(gate=True)
    new.until(lambda state: state["gate"] and state["applied"])
    client.moved.set()
    old.put(drain=True)
    state = old.until(lambda state: state["drained"])
    position = state["gtid"]["executed"]
    new.put(term=2, role="primary", promote_after=position, gate=False, source=None)
    follow(old, new, term=2, graceful=True, drain=False)
    new.until(lambda state: state["writable"] and not state["gate"])
    before = client.written
    eventually(lambda: client.written > before + 3)
    client.is_over.set()
    client.join(10)
    assert client.errors == []
    state = old.until(lambda state: state["role"] == "replica" and state["applied"])
    assert state["ended"] is None, "a planned change ends no server"
    eventually(lambda: old.sql("SELECT COUNT(*) AS n FROM t")[0]["n"] == client.written)


def test_a_switchover_that_is_given_up_makes_the_old_primary_writable_again(pair: tuple[Member, Member]) -> None:
    old, _ = pair
    old.put(drain=True)
    state = old.until(lambda state: state["drained"])
    assert 0 <= state["read_only_s"] < 60
    with pytest.raises(pymysql.err.OperationalError, match="read-only"):
        old.sql("INSERT INTO t VALUES ()")
    old.applied(drain=False)
    old.sql("INSERT INTO t VALUES ()")
    assert old.state()["read_only_s"] is None


def test_a_transaction_in_progress_is_given_a_moment(pair: tuple[Member, Member]) -> None:
    old, _ = pair
    with old.connected() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES ()")
        old.put(drain=True)
        time.sleep(0.15)
        cursor.execute("COMMIT")
    old.until(lambda state: state["drained"])
    assert old.sql("SELECT COUNT(*) AS n FROM t") == [{"n": 1}]
