"""Servers that hang, agents that are killed in the middle of their work, histories that differ: as real processes."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pymysql
import pytest
from pymysql.cursors import DictCursor

from tests.platform.databases.inside.agent.test_replication import EMPTY, Insert, eventually, fence, follow, ids, promote
from tests.platform.databases.lab import Lab, Member


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(2)
    lab.start()
    lab[0].applied(seed=EMPTY)
    lab[0].sql("CREATE TABLE t (id INT PRIMARY KEY)")
    lab[1].until_up()
    follow(lab[1], lab[0])
    lab[1].until(lambda state: state["applied"], 40)
    lab[0].applied(semi_sync=True)
    yield lab
    lab.close()


def test_a_primary_that_hangs_is_fenced_at_once_and_says_that_it_hangs(lab: Lab) -> None:
    old, new = lab.members
    old.sql("INSERT INTO t VALUES (1)")
    pid = old.server_pid
    old.hang_server()
    state = old.until(lambda state: state["unanswered_s"] > 0.2)
    assert (state["process"], state["answers"]) == ("running", False)
    began = time.monotonic()
    old.put(term=2, role="stopped")
    old.until(lambda state: state["process"] in ("ended", "absent"))
    assert time.monotonic() - began < 2
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    (state,) = fence(2, new)
    promote(2, new, state["gtid"]["received"], old)
    new.put(semi_sync=False)
    eventually(lambda: old.state()["applied"])
    assert ids(old) == ids(new) == [1]


def test_an_old_primary_that_was_cut_off_never_accepts_a_write_again(lab: Lab) -> None:
    """Its clients reach it still, nobody who gives orders does."""
    old, new = lab.members
    old.kill_agent()
    (state,) = fence(2, new)
    promote(2, new, state["gtid"]["received"])
    waiting = Insert(old, 1)
    time.sleep(2)
    assert waiting.answer is None, "it acknowledged a write beside the new primary"
    old.start_agent()
    old.until_up()
    follow(old, new, term=2)
    waiting.join(10)
    assert isinstance(waiting.answer, pymysql.Error)
    new.sql("INSERT INTO t VALUES (2)")
    eventually(lambda: ids(old) == [2])


def test_a_replica_that_begins_to_acknowledge_frees_what_waited_before(lab: Lab) -> None:
    primary, replica = lab.members
    replica.applied(acknowledges=False)
    waiting = [Insert(primary, 1)]
    eventually(lambda: ids(replica) == [1])
    waiting.append(Insert(primary, 2))
    replica.put(acknowledges=True)
    for insert in waiting:
        insert.join(15)
        assert insert.answer == []
    assert ids(primary) == [1, 2]


@pytest.mark.slow
def test_an_agent_that_is_killed_again_and_again_ends_where_it_should(lab: Lab) -> None:
    """The replica's data are copied anew, and it becomes primary, while its agent lives for moments alone."""
    primary, replica = lab.members
    primary.sql("INSERT INTO t VALUES (1)")
    replica.put(reseed="again", acknowledges=False)
    for moment_s in (0.1, 0.3, 0.6, 1.0, 0.2, 0.8):
        time.sleep(moment_s)
        replica.kill_agent()
        replica.start_agent()
        replica.until_up(30)
        replica.put()
    replica.until(lambda state: state["applied"], 40)
    assert ids(replica) == [1]
    for moment_s in (0.02, 0.05, 0.1, 0.2):
        replica.put(term=3, role="primary", source=None, semi_sync=False)
        time.sleep(moment_s)
        replica.kill_agent()
        replica.start_agent()
        replica.until_up(30)
    replica.applied()
    replica.sql("INSERT INTO t VALUES (2)")
    assert ids(replica) == [1, 2]


def test_what_nobody_acknowledged_and_cannot_be_taken_back_is_said_and_goes_with_a_copy(lab: Lab) -> None:
    old, new = lab.members
    fence(1, new)
    Insert(old, 1)
    eventually(lambda: old.state()["semi_sync"]["waiting"] == 1)
    threading.Thread(target=_create, args=(old,), daemon=True).start()
    eventually(lambda: old.root("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'CREATE TABLE late%'") == "1")
    old.kill_server()
    (state,) = fence(2, new)
    new.put(term=2, role="primary", semi_sync=False, promote_after=state["gtid"]["received"], source=None)
    new.until(lambda state: state["writable"])
    new.sql("INSERT INTO t VALUES (2)")
    follow(old, new, term=2)
    old.until(lambda state: state["untruncated"] or (state["replication"] or {}).get("errno") == 1236)
    old.put(reseed="errant-2")
    old.until(lambda state: state["applied"], 40)
    eventually(lambda: ids(old) == [2])
    (kept,) = (old.folder / "data" / "agent" / "errant").iterdir()
    assert "INSERT INTO `orders`.`t`" in kept.read_text()


def test_a_replica_that_has_lost_what_it_received_is_whole_again_when_it_has_caught_up(lab: Lab) -> None:
    primary, replica = lab.members
    primary.sql("INSERT INTO t VALUES (1)")
    replica.kill_agent()
    for log in (replica.folder / "data" / "mysql").glob("relay*"):
        log.unlink()
    replica.kill_server()
    replica.start_agent()
    replica.until_up()
    replica.put()
    state = replica.until(lambda state: state["applied"] and state["replication"]["intact"])
    assert state["replication"]["io"]
    primary.sql("INSERT INTO t VALUES (2)")
    eventually(lambda: ids(replica) == [1, 2])


def test_a_member_that_cannot_keep_a_new_term_stops_its_server_and_obeys_when_it_can(lab: Lab) -> None:
    old, _ = lab.members
    memory = old.folder / "data" / "agent" / "memory"
    pid = old.server_pid
    memory.chmod(0o400)
    code, answer = old.ask("PUT", "/v1/wanted", old.wanted | {"term": 2, "role": "replica", "source": None})
    assert code == 507, answer
    state = old.until(lambda state: state["process"] in ("ended", "absent"))
    assert (state["term"], "does not take the term 2" in state["error"]) == (1, True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    code, answer = old.ask("PUT", "/v1/wanted", old.wanted)
    assert (code, answer["term"]) == (409, 2), "an order of the term before"
    memory.chmod(0o600)
    old.put(term=2, role="replica", source=None)
    old.until(lambda state: state["applied"] and state["replication"]["stopped_io_at_term"] == 2, 40)


@pytest.mark.slow
def test_clients_that_take_all_connections_do_not_make_a_primary_look_dead(lab: Lab) -> None:
    """Nor do they for an agent that has just begun, and gets no connection, since humans have those that are kept for such as it."""
    primary = lab[0]
    # A replica that has begun to acknowledge tells so by a connection of a moment, whose place would be free afterwards.
    eventually(lambda: primary.root("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog%'").split()[-1] == "1")
    primary.root("SET GLOBAL max_connections = 10")
    with ExitStack() as clients:
        first = clients.enter_context(primary.connected())
        _connect_all(primary, clients)
        state = primary.state()
        assert (state["answers"], state["writable"]) == (True, True)
        primary.kill_agent()
        eventually(lambda: _connect_all(primary, clients))
        before = _sessions(first)
        shells = [threading.Thread(target=_sleep, args=(primary,)) for _ in range(3)]
        for shell in shells:
            shell.start()
        eventually(lambda: _sessions(first) > before and not all(shell.is_alive() for shell in shells))
        primary.start_agent()
        primary.until_up()
        primary.put()
        state = primary.until(lambda state: state["refuses"], 15)
        assert (state["process"], state["unanswered_s"], "let its agent in" in state["error"]) == ("running", 0.0, True)
        assert primary.ask("GET", "/ready")[0] == 200
        for shell in shells:
            shell.join()
    primary.until(lambda state: state["answers"] and state["writable"], 40)


def _sleep(member: Member) -> None:
    """A human's session, for as long as it is let in; at once when it is not."""
    with suppress(AssertionError):
        member.root("SELECT SLEEP(20)")


def _connect_all(member: Member, clients: ExitStack) -> int:
    """As many connections as there are. How many more were had."""
    count = 0
    with suppress(pymysql.Error):
        while True:
            clients.enter_context(member.connected())
            count += 1
    return count


def _sessions(connection: "pymysql.Connection[DictCursor]") -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
        return int(cursor.fetchall()[0]["Value"])


def _create(member: Member) -> None:
    with pytest.raises(pymysql.Error):
        member.sql("CREATE TABLE late (id INT)")


@pytest.mark.containers  # it mounts a file system
def test_a_full_volume_refuses_writes_before_the_server_ends_and_takes_them_when_it_has_grown() -> None:
    lab = Lab(1)
    data = lab[0].folder / "data"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=240m,mode=777", "none", data], check=True)
    try:
        lab.start()
        member = lab[0]
        member.applied(seed=EMPTY)
        member.sql("CREATE TABLE large (id INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)")
        written, why = _fill(member, 200)
        assert "read-only" in why
        state = member.until(lambda state: "is full" in state["error"])
        assert (state["writable"], state["answers"], state["ended"]) == (False, True, None)
        assert member.sql("SELECT COUNT(*) AS n FROM large") == [{"n": written}]
        subprocess.run(["mount", "-o", "remount,size=500m", data], check=True)
        member.until(lambda state: state["applied"] and state["writable"])
        member.sql("INSERT INTO large (v) VALUES ('y')")
    finally:
        for member in lab.members:
            member.end()
        subprocess.run(["umount", data], check=True)
        lab.close()


def _fill(member: Member, most: int) -> tuple[int, str]:
    """Writes MB after MB: how many were taken before the first that was refused, and why."""
    for written in range(most):
        try:
            member.sql("INSERT INTO large (v) VALUES (REPEAT('x', 1000000))")
        except pymysql.err.OperationalError as error:
            return written, str(error)
    return most, ""
