"""A primary with two replicas, as real processes: seeding, following, fencing, promotion and the return of an old primary."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
import pytest

from pilothouse.platform.databases.inside.agent.acknowledging import NEAR
from tests.platform.databases.lab import Lab, Member, State

EMPTY = {"kind": "empty", "id": "1"}


def source(member: Member) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": member.sql_port}


def follow(replica: Member, primary: Member, **more: object) -> None:
    seed = {"kind": "clone", "host": "127.0.0.1", "port": primary.port}
    replica.put(role="replica", source=source(primary), seed=seed, acknowledges=True, **more)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Member 0 is the primary and waits for one of the two replicas."""
    lab = Lab(3)
    lab.start()
    lab[0].applied(seed=EMPTY)
    for replica in lab.members[1:]:
        replica.until_up()
        follow(replica, lab[0])
    for replica in lab.members[1:]:
        replica.until(lambda state: state["applied"], 40)
    lab[0].applied(semi_sync=True)
    lab[0].sql("CREATE TABLE t (id INT PRIMARY KEY)")
    yield lab
    lab.close()


def fence(term: int, *replicas: Member) -> list[State]:
    for replica in replicas:
        replica.put(term=term, source=None)
    return [replica.until(lambda state: (state["replication"] or {}).get("stopped_io_at_term") == term) for replica in replicas]


def promote(term: int, primary: Member, position: str, *others: Member) -> None:
    primary.put(term=term, role="primary", semi_sync=True, promote_after=position, source=None)
    for other in others:
        follow(other, primary, term=term, handed=position)
    primary.until(lambda state: state["writable"] and state["term"] == term)


def ids(member: Member) -> list[int]:
    return [row["id"] for row in member.sql("SELECT id FROM t ORDER BY id")]


def eventually(holds: Callable[[], object], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.02)


def _hold(replica: Member) -> None:
    """Keeps the replica from applying anything to the table, until its server ends."""
    with suppress(AssertionError):
        replica.root("LOCK TABLES orders.t READ", "SELECT SLEEP(60)")


class Insert(threading.Thread):
    """An insert that may wait for ever."""

    def __init__(self, member: Member, id: int) -> None:
        super().__init__(daemon=True)
        self._member, self._id = member, id
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._member.sql("INSERT INTO t VALUES (%s)", self._id, read_timeout=60)
        except pymysql.Error as error:
            self.answer = error


def test_a_failover_loses_nothing_acknowledged_and_the_old_primary_comes_back(lab: Lab) -> None:
    old, new, third = lab.members
    old.sql("INSERT INTO t VALUES (1)")
    old.kill_server()
    states = fence(2, new, third)
    position = max(states, key=lambda state: int(state["gtid"]["received"].split("-")[2]))["gtid"]["received"]
    promote(2, new, position, third, old)
    new.sql("INSERT INTO t VALUES (2)")
    for member in (third, old):
        member.until(lambda state: state["applied"] and state["replication"]["io"])
        eventually(lambda member=member: ids(member) == [1, 2])


def test_what_nobody_acknowledged_is_taken_back_and_received_again_from_the_new_primary(lab: Lab) -> None:
    """The insert 1 reaches nobody; the insert 2, written by the old primary as well, reaches one replica before it ends."""
    old, new, third = lab.members
    old.sql("INSERT INTO t VALUES (7)")
    fence(1, third)
    new.put(acknowledges=False)
    new.until(lambda state: state["applied"])
    waiting = Insert(old, 1)
    eventually(lambda: ids(new) == [1, 7])
    assert waiting.answer is None, "it was acknowledged by nobody"
    fence(2, new, third)
    lost = Insert(old, 2)
    eventually(lambda: old.root("SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Commit'") == "1")
    promote(2, new, new.state()["gtid"]["received"], third, old)
    assert isinstance(lost.join() or lost.answer, pymysql.Error)
    new.sql("INSERT INTO t VALUES (3)")
    for member in (old, third):
        member.until(lambda state: state["applied"] and state["replication"]["io"])
        eventually(lambda member=member: ids(member) == [1, 3, 7])


def test_a_replica_far_behind_a_new_primary_acknowledges_once_it_has_what_that_began_with(lab: Lab) -> None:
    old, new, third = lab.members
    fence(1, third)
    for number in range(2 * NEAR):
        old.sql("INSERT INTO t VALUES (%s)", number)
    old.kill_server()
    (state,) = fence(2, new, third)[:1]
    assert state["gtid"]["received"] != third.state()["gtid"]["received"]
    promote(2, new, state["gtid"]["received"], third)
    new.sql("INSERT INTO t VALUES (-1)")  # nobody else acknowledges it
    assert ids(third) == [-1, *range(2 * NEAR)]
    assert third.root("SELECT @@global.sync_relay_log, @@global.rpl_semi_sync_slave_enabled").split() == ["1", "1"]
    kinds = re.findall(rf"Start (\S+) replication to master '\S+:{new.sql_port}'", third.server_log())
    assert kinds == ["asynchronous", "semi-sync"]


def test_a_fenced_replica_receives_nothing_more_and_says_at_which_term(lab: Lab) -> None:
    primary, one, other = lab.members
    fence(4, one)
    primary.sql("INSERT INTO t VALUES (1)")
    eventually(lambda: ids(other) == [1])
    assert ids(one) == []
    assert one.state()["replication"]["stopped_io_at_term"] == 4
    follow(one, primary)
    eventually(lambda: ids(one) == [1])


def test_what_a_replica_has_received_but_not_applied_outlives_its_server_and_its_source(lab: Lab) -> None:
    primary, replica, _ = lab.members
    fence(1, lab[2])
    threading.Thread(target=_hold, args=(replica,), daemon=True).start()
    eventually(lambda: replica.root("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60)'") == "1")
    primary.sql("INSERT INTO t VALUES (1)")
    assert ids(replica) == []
    primary.kill_server()
    primary.kill_agent()
    replica.kill_server()
    (state,) = fence(2, replica)
    state = replica.until(lambda state: state["applied"] and state["term"] == 2)
    assert ids(replica) == [1]
    assert state["replication"]["intact"]


def test_replicas_that_crash_keep_what_they_acknowledged_though_their_relay_logs_have_gone(lab: Lab) -> None:
    primary, *replicas = lab.members
    for n in range(2):
        primary.sql("INSERT INTO t VALUES (%s)", n)
        primary.root("FLUSH LOCAL BINARY LOGS")
        position = _position(primary)
        eventually(lambda position=position: [_position(replica) for replica in replicas] == [position] * 2)
        pids = [replica.kill_server() for replica in replicas]
        primary.hang_server()  # else it would send all of it again
        for replica, pid in zip(replicas, pids, strict=True):
            replica.until(lambda state, of=(replica, pid): of[0].server_pid != of[1])
            replica.until(lambda state: state["answers"] and (state["replication"] or {}).get("intact"))
            assert _position(replica) == position
            assert "init-rpl-role = MASTER" in (replica.folder / "run" / "my.cnf").read_text()
        primary.wake_server()


def _position(member: Member) -> str:
    return member.root("SELECT @@gtid_binlog_pos")


def test_a_replica_comes_in_when_clients_that_wait_for_it_have_taken_all_connections(lab: Lab) -> None:
    primary, *replicas = lab.members
    fence(1, *replicas)
    primary.root("SET GLOBAL max_connections = 12")
    clients = [Insert(primary, id) for id in range(1, 16)]
    eventually(lambda: any(isinstance(each.answer, pymysql.err.OperationalError) for each in clients))
    for replica in replicas:
        follow(replica, primary)
    eventually(lambda: all(each.answer is not None for each in clients), 40)
    assert sum(not each.answer for each in clients) >= 5


def test_a_primary_that_lacks_what_it_should_go_on_from_accepts_no_writes(lab: Lab) -> None:
    replica = lab[1]
    fence(2, replica)
    replica.put(role="primary", promote_after="0-17-4000", semi_sync=False)
    state = replica.until(lambda state: "0-17-4000" in state["error"])
    assert not state["writable"]
    assert state["role"] == "replica"


def test_a_replica_that_could_not_apply_what_it_received_accepts_writes_only_with_all_of_it(lab: Lab) -> None:
    old, new, _ = lab.members
    fence(1, lab[2])
    old.sql("INSERT INTO t VALUES (1)")
    eventually(lambda: ids(new) == [1])
    new.root("SET SESSION sql_log_bin = 0", "INSERT INTO orders.t VALUES (2)")
    for id in (2, 3):
        old.sql("INSERT INTO t VALUES (%s)", id)
    new.until(lambda state: state["replication"]["errno"] == 1062)
    old.kill_server()
    fence(2, new)
    new.put(term=2, role="primary", source=None)
    waiting = new.until(lambda state: "Duplicate entry" in state["error"] and state["term"] == 2)
    assert (waiting["writable"], waiting["role"]) == (False, "replica")
    new.root("SET SESSION sql_log_bin = 0", "DELETE FROM orders.t WHERE id = 2")
    new.until(lambda state: state["writable"])
    assert ids(new) == [1, 2, 3]


def test_data_that_a_job_pushes_make_a_server_with_their_position(lab: Lab) -> None:
    """A copy is taken from one member and pushed to a new one."""
    lab[0].sql("INSERT INTO t VALUES (1)")
    scratch = Lab(1)
    try:
        scratch.start()
        member = scratch[0]
        member.until_up()
        member.put(seed={"kind": "pushed", "id": "5"})
        copy = lab[0].fetch("/v1/clone", client="job")
        assert member.push("/v1/seed?id=4", copy)[0] == 409
        assert member.push("/v1/seed?id=5", copy[: len(copy) // 2])[0] == 400
        assert member.state()["data"] == "empty"
        assert member.push("/v1/seed?id=5", copy)[0] == 200
        state = member.until(lambda state: state["applied"])
        assert ids(member) == [1]
        assert state["gtid"]["executed"].split("-")[2] >= lab[0].state()["gtid"]["executed"].split("-")[2]
    finally:
        scratch.close()


def test_a_copy_counts_as_whole_only_when_it_has_caught_up_with_the_primary(lab: Lab) -> None:
    primary, replica, _ = lab.members
    replica.put(reseed="once", source=source(primary) | {"port": 1})
    state = replica.until(lambda state: state["reseeded"] == "once" and state["replication"] and state["answers"], 40)
    assert not state["replication"]["intact"]
    pid = replica.kill_server()
    replica.until(lambda state: replica.server_pid != pid)
    state = replica.until(lambda state: state["answers"] and (state["replication"] or {}).get("errno") == 2003)
    assert not state["replication"]["intact"], "not after a start either"
    follow(replica, primary)
    replica.until(lambda state: state["applied"] and state["replication"]["intact"])


def test_a_copy_that_breaks_off_leaves_no_data(lab: Lab) -> None:
    replica = lab[2]
    lab[0].put(term=1)
    replica.put(reseed="once")
    with pytest.raises((http.client.HTTPException, OSError, AssertionError)):
        lab[0].fetch("/v1/clone", client="nobody")
    replica.until(lambda state: state["applied"], 40)
    assert ids(replica) == ids(lab[0])


def test_replicas_take_another_password_while_every_write_is_acknowledged(lab: Lab) -> None:
    primary, replicas = lab[0], lab.members[1:]
    now, new = ({"user": "replication", "password": each, "version": each, "old_password": ""} for each in ("follow", "another"))
    with writing(primary) as written:
        primary.applied(replication=now | {"old_password": "another"})
        for replica in replicas:
            replica.put(replication=new | {"old_password": "follow"})
            replica.until(lambda state: state["applied"] and state["replication"]["io"] and state["replication"]["account"] == "another")
        primary.applied(replication=new)
        for replica in replicas:
            replica.root("STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD")
            replica.until(lambda state: (state["replication"] or {}).get("io"))
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        primary.sql("SELECT 1", user="replication", password="follow", database=None)
    assert written
    for replica in replicas:
        eventually(lambda replica=replica: ids(replica) == ids(primary) == written)


@contextmanager
def writing(member: Member) -> Iterator[list[int]]:
    """One row after the other, each acknowledged, from beginning to end without an error. Yields the numbers that were written."""
    written: list[int] = []
    ends, failures = threading.Event(), []

    def work() -> None:
        try:
            with member.connected() as connection, connection.cursor() as cursor:
                while not ends.is_set():
                    cursor.execute("INSERT INTO t VALUES (%s)", (len(written),))
                    connection.commit()
                    written.append(len(written))
        except pymysql.Error as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield written
    finally:
        ends.set()
        thread.join()
    assert not failures
