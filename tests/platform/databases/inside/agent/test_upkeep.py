"""What a running server takes without a restart, and how it ends, as real processes."""

import signal
import socket
import time
from collections.abc import Iterator

import pymysql
import pytest

from pilothouse.platform.databases.inside.agent import changes
from tests.platform.databases.inside.agent.test_replication import EMPTY, eventually
from tests.platform.databases.lab import ACCOUNT, MIB, Lab, Member


@pytest.fixture(scope="module")
def member() -> Iterator[Member]:
    lab = Lab(1)
    lab.start()
    lab[0].applied(seed=EMPTY)
    yield lab[0]
    lab.close()


def server(memory_mib: int = 256, **parameters: str) -> dict[str, object]:
    return {"version": "10.11", "memory_bytes": memory_mib * MIB, "cpu_millis": 500, "parameters": parameters}


def variable(member: Member, name: str) -> str:
    return member.root(f"SELECT @@global.{name}")


def test_memory_is_taken_and_given_back_without_a_restart(member: Member) -> None:
    pid, before = member.server_pid, int(variable(member, "innodb_buffer_pool_size"))
    with member.connected() as connection:
        state = member.applied(server=server(memory_mib=1024))
        assert int(variable(member, "innodb_buffer_pool_size")) > 3 * before
        assert int(variable(member, "max_connections")) > 100
        assert state["limits"]["memory_bytes"] == 1024 * MIB
        member.applied(server=server())
        assert int(variable(member, "innodb_buffer_pool_size")) == before
        connection.ping(reconnect=False)
    assert member.server_pid == pid


def test_parameters_count_at_once_or_are_said_to_wait_for_a_restart(member: Member) -> None:
    state = member.applied(server=server(long_query_time="5", sql_mode="ANSI", back_log="200", no_such_thing="1", wait_timeout="soon"))
    assert float(variable(member, "long_query_time")) == 5
    assert "ANSI" in variable(member, "sql_mode")
    assert state["pending_restart"] == ["back_log"]
    assert set(state["rejected"]) == {"no_such_thing", "wait_timeout"}
    state = member.applied(server=server())
    assert float(variable(member, "long_query_time")) == 1
    assert "ANSI_QUOTES" not in variable(member, "sql_mode")
    assert (state["pending_restart"], state["rejected"]) == ([], {})


def test_what_keeps_promises_is_no_parameter(member: Member) -> None:
    member.applied(server=server(sync_binlog="0", innodb_flush_log_at_trx_commit="2", require_secure_transport="OFF"))
    assert [variable(member, name) for name in ("sync_binlog", "innodb_flush_log_at_trx_commit", "require_secure_transport")] == [
        "1",
        "1",
        "1",
    ]
    member.applied(server=server())


def test_a_new_certificate_is_served_and_connections_go_on(member: Member) -> None:
    pid = member.server_pid
    with member.connected() as connection:
        before = member.certificate()
        member.issue()
        eventually(lambda: member.certificate() != before)
        eventually(lambda: member.server_certificate() == member.certificate())
        connection.ping(reconnect=False)
    assert member.server_pid == pid


def test_accounts_are_made_what_they_should_be_and_no_more(member: Member) -> None:
    reader = {"name": "reader", "password": "one", "grants": [{"privileges": ["SELECT"], "on": "orders"}], "version": "a"}
    state = member.applied(accounts=[ACCOUNT, reader])
    assert state["objects"]["account/reader"] == {"version": "a", "error": "", "partial": False, "waits": False}
    member.root("GRANT INSERT, DELETE ON orders.* TO reader@'%'", "GRANT SELECT ON mysql.* TO reader@'%'")
    member.applied(accounts=[ACCOUNT, reader | {"password": "two", "old_password": "one", "version": "b"}])
    for password in ("one", "two"):
        assert member.sql("SELECT 1 AS one", user="reader", password=password) == [{"one": 1}]
    grants = member.root("SHOW GRANTS FOR reader@'%'").splitlines()
    assert [line for line in grants if "USAGE" not in line] == ["GRANT SELECT ON `orders`.* TO `reader`@`%`"]
    member.applied(accounts=[ACCOUNT, reader | {"password": "two", "version": "c"}])
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        member.sql("SELECT 1", user="reader", password="one")
    member.applied(accounts=[ACCOUNT], dropped=[{"kind": "account", "name": "reader", "version": "d"}])
    assert member.root("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'reader'") == "0"
    member.applied(dropped=[])


def test_one_bad_account_is_named_and_the_others_are_seen_to(member: Member) -> None:
    bad = {"name": "mysql", "password": "x", "grants": [], "version": "1"}
    worse = {"name": "worse", "password": "x", "grants": [{"privileges": ["FLY"], "on": "orders"}], "version": "1"}
    good = {"name": "good", "password": "x", "grants": [], "version": "1"}
    objects = member.applied(accounts=[bad, worse, good, ACCOUNT])["objects"]
    assert "system's own" in objects["account/mysql"]["error"]
    assert objects["account/worse"]["error"]
    assert objects["account/good"]["error"] == ""
    member.applied(accounts=[ACCOUNT], dropped=[{"kind": "account", "name": "good"}, {"kind": "account", "name": "worse"}])
    member.applied(dropped=[])


def test_a_right_that_the_server_refuses_does_not_stop_the_others(member: Member) -> None:
    rights = [{"privileges": ["INSERT"], "on": "orders.nothing"}, {"privileges": ["SELECT"], "on": "orders"}]
    reader = {"name": "reader", "password": "x", "grants": [{"privileges": ["DELETE"], "on": "orders"}], "version": "1"}
    member.applied(accounts=[ACCOUNT, reader])
    outcome = member.applied(accounts=[ACCOUNT, reader | {"grants": rights, "version": "2"}])["objects"]["account/reader"]
    assert (outcome["version"], outcome["partial"]) == ("2", True)
    assert outcome["error"] == "GRANT INSERT ON `orders`.`nothing` waits for that table, which is not there yet"
    assert outcome["waits"]
    grants = member.root("SHOW GRANTS FOR reader@'%'").splitlines()
    assert [line for line in grants if "USAGE" not in line] == ["GRANT SELECT ON `orders`.* TO `reader`@`%`"]
    member.applied(accounts=[ACCOUNT], dropped=[{"kind": "account", "name": "reader"}])
    member.applied(dropped=[])


@pytest.mark.slow
def test_a_right_on_a_table_is_given_when_the_table_comes_and_what_was_dropped_is_not_dropped_again(member: Member) -> None:
    late = {"name": "late", "password": "x", "grants": [{"privileges": ["SELECT"], "on": "orders.later"}], "version": "1"}
    state = member.applied(accounts=[ACCOUNT, late], dropped=[{"kind": "database", "name": "old", "version": "d"}])
    assert state["objects"]["account/late"]["waits"]
    member.root("CREATE TABLE orders.later (id INT PRIMARY KEY)", "CREATE DATABASE old")
    state = member.until(lambda state: not state["objects"]["account/late"]["error"], 30)
    assert state["applied"], "what is tried again holds up nothing"
    assert member.sql("SELECT COUNT(*) AS n FROM later", user="late", password="x") == [{"n": 0}]
    assert member.root("SHOW DATABASES LIKE 'old'") == "old"
    member.root("DROP DATABASE old", "DROP TABLE orders.later")
    member.applied(accounts=[ACCOUNT], dropped=[{"kind": "account", "name": "late"}])
    member.applied(dropped=[])


def test_no_password_is_in_any_log(member: Member) -> None:
    files = [*member.folder.glob("data/log/*"), *member.folder.glob("data/mysql/binlog.0*"), *member.folder.glob("*.log")]
    assert files
    for path in files:
        assert b"secret" not in path.read_bytes(), path


def test_a_log_of_changes_tells_the_position_that_it_begins_at(member: Member) -> None:
    member.applied(archive={"position": "0-1-1"})
    member.root("CREATE DATABASE told", "FLUSH BINARY LOGS")
    found = changes.logs(member.folder / "data" / "mysql", time.time())
    assert changes.begin(found[0].path) == ""
    assert changes.begin(found[-1].path) == member.root("SELECT @@gtid_binlog_pos")
    assert variable(member, "binlog_expire_logs_seconds") == "0"
    member.applied(archive=None)


def test_a_stopped_server_stays_stopped_and_comes_back_when_it_is_wanted(member: Member) -> None:
    member.applied(role="stopped", graceful=True)
    state = member.until(lambda state: state["process"] == "ended")
    assert state["ended"]["code"] == 0
    assert member.ask("GET", "/ready", client=None)[0] == 503
    member.applied(role="primary", graceful=False)


def test_a_bad_parameter_is_named_and_keeps_no_server_from_its_start(member: Member) -> None:
    member.put(server=server(sql_mode="NONSENSE", no_such_thing="1"))
    member.kill_server()
    state = member.applied(server=server(sql_mode="NONSENSE", no_such_thing="2"))
    assert set(state["rejected"]) == {"sql_mode", "no_such_thing"}
    member.applied(server=server())


@pytest.mark.slow
def test_a_server_that_cannot_start_says_why_and_is_not_started_without_a_pause(member: Member) -> None:
    member.applied(role="stopped", graceful=True)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", member.sql_port))
        taken.listen()
        member.put(role="primary", graceful=False)
        state = member.until(lambda state: "port" in state["error"])
        assert state["error"].startswith("the server ended with the code ")
        time.sleep(2)
        assert (member.folder / "data" / "log" / "error.log").read_text().count("Do you already have another") <= 4
    member.applied()


def test_the_end_of_the_pod_stops_the_server_in_its_own_way() -> None:
    lab = Lab(1)
    try:
        lab.start()
        member = lab[0]
        member.applied(seed=EMPTY)
        assert member.agent is not None
        assert member.supervisor is not None
        member.agent.send_signal(signal.SIGTERM)
        member.until(lambda state: state["leaving"])
        assert member.sql("SELECT 1 AS one") == [{"one": 1}]
        member.supervisor.send_signal(signal.SIGTERM)
        assert member.supervisor.wait(15) == 0
        assert member.agent.wait(15) == 0
        assert "Shutdown complete" in member.log()
    finally:
        lab.close()
