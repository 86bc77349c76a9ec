"""MySQL's members as real processes: seeding, following, fencing, promotion, and the return of an old primary."""

import subprocess
import threading
from collections.abc import Iterator

import pymysql
import pytest

from tests.platform.databases.inside.agent.test_replication import EMPTY, Insert, eventually, fence, follow, ids, promote, source
from tests.platform.databases.lab import Lab, Member, needs_mysql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), needs_mysql]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Member 0 is the primary and waits for one of the two replicas."""
    lab = Lab(3, "mysql")
    try:
        lab.start()
        lab[0].applied(120, seed=EMPTY)
        for replica in lab.members[1:]:
            replica.until_up(30)
            follow(replica, lab[0])
        for replica in lab.members[1:]:
            replica.until(lambda state: state["applied"] and state["replication"]["intact"], 120)
        lab[0].applied(semi_sync=True)
        lab[0].sql("CREATE TABLE t (id INT PRIMARY KEY)")
        yield lab
    finally:
        lab.close()


def executed(member: Member) -> str:
    return member.root("SELECT @@gtid_executed").replace("\\n", "")


def uuid(member: Member) -> str:
    return member.root("SELECT @@server_uuid")


def waiting(member: Member, count: int) -> None:
    """Until so many sessions have written and not been answered."""
    states = "'Waiting for semi-sync ACK from replica', 'waiting for handler commit'"
    eventually(lambda: member.root(f"SELECT COUNT(*) FROM information_schema.processlist WHERE state IN ({states})") == str(count))


def follows(member: Member, rows: list[int], within_s: float = 60) -> None:
    member.until(lambda state: state["applied"] and state["replication"]["io"], within_s)
    eventually(lambda: ids(member) == rows)


def test_a_failover_loses_nothing_acknowledged_and_the_old_primary_comes_back(lab: Lab) -> None:
    old, new, third = lab.members
    old.sql("INSERT INTO t VALUES (1)")
    old.kill_server()
    states = fence(2, new, third)
    promote(2, new, states[0]["gtid"]["received"], third, old)
    new.sql("INSERT INTO t VALUES (2)")
    for member in (third, old):
        follows(member, [1, 2])


def test_what_nobody_acknowledged_is_taken_back_and_its_names_are_not_given_again(lab: Lab) -> None:
    """Two rows and a table wait when the primary is killed; a replica has the first of them, and does not acknowledge it."""
    old, new, third = lab.members
    old.sql("INSERT INTO t VALUES (7)")
    fence(1, third)
    new.put(acknowledges=False)
    new.until(lambda state: state["applied"])
    first, before = Insert(old, 1), uuid(old)
    eventually(lambda: ids(new) == [1, 7])
    assert first.answer is None, "it was acknowledged by nobody"
    fence(2, new, third)
    lost = [Insert(old, 2), threading.Thread(target=_make_table, args=(old,), daemon=True)]
    lost[1].start()
    waiting(old, 3)
    promote(2, new, new.state()["gtid"]["received"], third, old)
    new.sql("INSERT INTO t VALUES (3)")
    for member in (old, third):
        follows(member, [1, 3, 7])
        assert executed(member) == executed(new)
    assert old.root("SHOW TABLES FROM orders") == "t"
    assert uuid(old) != before
    (kept,) = (old.folder / "data" / "agent" / "errant").glob("taken-back-2.binlog")
    text = old.within("mysqlbinlog", "--no-defaults", "-v", str(kept))
    assert "###   @1=2" in text
    assert "CREATE TABLE x" in text
    assert "###   @1=1\n" not in text


def _make_table(member: Member) -> None:
    try:
        member.sql("CREATE TABLE x (id INT PRIMARY KEY)")
    except pymysql.Error:
        return


def test_a_primary_that_is_started_as_one_keeps_what_waited(lab: Lab) -> None:
    old, *replicas = lab.members
    fence(1, *replicas)
    Insert(old, 1)
    waiting(old, 1)
    pid = old.kill_server()
    old.until(lambda state: state["writable"] and old.server_pid != pid, 60)
    assert ids(old) == [1]
    for replica in replicas:
        follow(replica, old)
        follows(replica, [1])


def test_what_a_replica_has_received_but_not_applied_outlives_its_server_and_its_source(lab: Lab) -> None:
    primary, replica, third = lab.members
    fence(1, third)
    _hold(replica)
    for id in range(1, 40):
        primary.sql("INSERT INTO t VALUES (%s)", id)
    assert ids(replica) == []
    primary.kill_agent()
    primary.kill_server()
    replica.kill_server()
    fence(2, replica)
    state = replica.until(lambda state: state["applied"] and state["term"] == 2 and state["replication"]["intact"], 60)
    eventually(lambda: ids(replica) == list(range(1, 40)))
    replica.put(role="primary", promote_after=state["gtid"]["received"], semi_sync=False, source=None)
    replica.until(lambda state: state["writable"])
    assert ids(replica) == list(range(1, 40))


def _hold(replica: Member) -> None:
    """Keeps the replica from applying anything to the table, until its server ends."""

    def hold() -> None:
        try:
            replica.root("LOCK TABLES orders.t READ", "SELECT SLEEP(60)")
        except (AssertionError, subprocess.TimeoutExpired):
            return

    threading.Thread(target=hold, daemon=True).start()
    eventually(lambda: replica.root("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60)'") == "1")


def test_a_relay_log_whose_end_is_torn_is_applied_up_to_there(lab: Lab) -> None:
    primary, replica, third = lab.members
    fence(1, third)
    _hold(replica)
    for id in range(1, 4):
        primary.sql("INSERT INTO t VALUES (%s)", id)
    primary.hang_server()
    replica.kill_agent()
    pid = replica.kill_server()
    eventually(lambda: not (replica.folder / "run" / "server.pid").exists() or pid != replica.server_pid)
    log = max((replica.folder / "data" / "mysql").glob("relay.[0-9]*"))
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 20)
    replica.start_agent()
    replica.until_up(30)
    replica.put()
    replica.until(lambda state: state["answers"], 60)
    eventually(lambda: ids(replica) == [1, 2], 60)
    primary.wake_server()
    follows(replica, [1, 2, 3])


@pytest.mark.parametrize("names", ["relay.*", "relay.0*"])
def test_a_replica_that_has_lost_its_relay_logs_counts_only_when_it_has_caught_up(lab: Lab, names: str) -> None:
    primary, replica, third = lab.members
    fence(1, third)
    _hold(replica)
    primary.sql("INSERT INTO t VALUES (1)")
    replica.kill_agent()
    replica.kill_server()
    eventually(lambda: not (replica.folder / "run" / "server.pid").exists())
    primary.hang_server()
    for log in (replica.folder / "data" / "mysql").glob(names):
        log.unlink()
    replica.start_agent()
    replica.until_up(30)
    replica.put()
    state = replica.until(lambda state: state["answers"], 60)
    for _ in range(20):
        state = replica.state(state["sequence"], wait_s=0.2)
        assert not (state["replication"] or {}).get("intact")
    primary.wake_server()
    replica.until(lambda state: state["applied"] and state["replication"]["intact"], 60)
    assert ids(replica) == [1]


def test_a_member_with_transactions_of_its_own_follows_nobody(lab: Lab) -> None:
    primary, replica, _ = lab.members
    replica.root("SET GLOBAL read_only = 0", "INSERT INTO orders.t VALUES (66)", "SET GLOBAL super_read_only = 1")
    for _ in range(2):
        state = replica.until(lambda state: "transactions that its source has not" in state["error"], 60)
        assert not state["replication"]["io"], "as it runs, and after a start"
        pid = replica.kill_server()
        replica.until(lambda state, pid=pid: state["answers"] and replica.server_pid != pid, 60)
    primary.sql("INSERT INTO t VALUES (1)")
    assert ids(replica) == [66]
    replica.put(reseed="once")
    follows(replica, [1], 120)


def test_a_replica_that_begins_to_acknowledge_frees_what_waited_before(lab: Lab) -> None:
    primary, replica, third = lab.members
    fence(1, third)
    replica.put(acknowledges=False)
    replica.until(lambda state: state["applied"])
    insert = Insert(primary, 1)
    eventually(lambda: ids(replica) == [1])
    waiting(primary, 1)
    replica.put(acknowledges=True)
    insert.join(20)
    assert insert.answer == []


def test_a_replica_that_restarts_with_what_waits_for_it_follows_again_and_frees_it(lab: Lab) -> None:
    """It has applied then what its primary's own position does not have yet."""
    primary, replica, third = lab.members
    fence(1, third)
    replica.put(acknowledges=False)
    replica.until(lambda state: state["applied"])
    insert = Insert(primary, 1)
    eventually(lambda: ids(replica) == [1])
    waiting(primary, 1)
    pid = replica.kill_server()
    replica.until(lambda state: state["answers"] and replica.server_pid != pid, 60)
    follow(replica, primary)
    insert.join(60)
    assert insert.answer == []
    follows(replica, [1])


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


def test_an_account_is_changed_only_when_a_replica_can_acknowledge_that(lab: Lab) -> None:
    """Otherwise nobody could connect any more, the replicas neither."""
    primary, *replicas = lab.members
    fence(1, *replicas)
    eventually(lambda: primary.state()["semi_sync"]["acknowledging"] == 0, 30)
    account = {"name": "new", "password": "p", "grants": [], "version": "1"}
    primary.put(accounts=[*primary.wanted["accounts"], account])
    primary.until(lambda state: "no replica is connected" in state["error"])
    assert ids(primary) == []
    for replica in replicas:
        follow(replica, primary)
        follows(replica, [])
    primary.until(lambda state: state["applied"] and state["objects"]["account/new"]["error"] == "", 60)
    assert primary.sql("SELECT 1 AS n", user="new", password="p", database=None) == [{"n": 1}]


def test_a_primary_that_lets_nobody_in_is_told_to_answer_no_more(lab: Lab) -> None:
    primary, *replicas = lab.members
    fence(1, *replicas)
    eventually(lambda: primary.state()["semi_sync"]["acknowledging"] == 0, 30)
    threading.Thread(target=_change_account, args=(primary,), daemon=True).start()
    state = primary.until(lambda state: state["unanswered_s"] > 4, 60)
    assert not state["answers"]


def _change_account(member: Member) -> None:
    try:
        member.root("CREATE USER somebody")
    except (AssertionError, subprocess.TimeoutExpired):
        return


def test_data_that_a_job_pushes_make_a_server_with_their_position(lab: Lab) -> None:
    lab[0].sql("INSERT INTO t VALUES (1)")
    scratch = Lab(1, "mysql")
    try:
        scratch.start()
        member = scratch[0]
        member.until_up(30)
        member.put(seed={"kind": "pushed", "id": "5"})
        copy = lab[0].fetch("/v1/clone", client="job")
        assert member.push("/v1/seed?id=5", copy[: len(copy) // 2])[0] == 400
        assert member.state()["data"] == "empty"
        assert member.push("/v1/seed?id=5", copy)[0] == 200
        member.until(lambda state: state["applied"], 60)
        assert ids(member) == [1]
        assert executed(member).startswith(executed(lab[0]))
    finally:
        scratch.close()


def test_a_copy_counts_as_whole_only_when_it_has_caught_up_with_the_primary(lab: Lab) -> None:
    primary, replica, _ = lab.members
    replica.put(reseed="once", source=source(primary) | {"port": 1})
    state = replica.until(lambda state: state["reseeded"] == "once" and state["answers"], 120)
    assert not (state["replication"] or {}).get("intact")
    follow(replica, primary)
    replica.until(lambda state: state["applied"] and state["replication"]["intact"], 60)
