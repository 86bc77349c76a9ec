"""One MySQL server and its agent, as real processes. Tests share the server, which each leaves as it found it."""

import threading
import time
from collections.abc import Iterator

import pymysql
import pytest

from tests.platform.databases.inside.agent.test_replication import EMPTY, eventually
from tests.platform.databases.lab import ACCOUNT, MIB, Lab, Member, needs_mysql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), needs_mysql]


@pytest.fixture(scope="module")
def member() -> Iterator[Member]:
    lab = Lab(1, "mysql")
    try:
        lab.start()
        lab[0].applied(120, seed=EMPTY)
        yield lab[0]
    finally:
        lab.close()


def test_a_primary_made_from_nothing_answers_over_tls(member: Member) -> None:
    assert member.sql("SELECT CURRENT_USER() AS me, @@read_only AS read_only") == [{"me": "orders@%", "read_only": 0}]
    assert member.ask("GET", "/ready", client=None) == (200, {"ready": True})
    assert "applied" in member.state()


def test_nobody_comes_in_without_tls_or_over_tcp_as_the_system_user(member: Member) -> None:
    with pytest.raises(pymysql.err.OperationalError, match=r"secure transport|Access denied"):
        member.sql("SELECT 1", ssl_ca=None, ssl_disabled=True)
    for name in ("root", "nobody", "mysql.sys", ""):
        with pytest.raises(pymysql.err.OperationalError, match=r"Access denied|locked"):
            member.sql("SELECT 1", user=name, password="", database=None)
    assert member.root("SELECT COUNT(*) FROM mysql.user WHERE User IN ('', 'root')") == "0"


def test_both_passwords_let_in_while_one_is_replaced(member: Member) -> None:
    def lets_in(*passwords: str) -> None:
        for password in passwords:
            assert member.sql("SELECT 1 AS n", password=password) == [{"n": 1}]

    def refuses(password: str) -> None:
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            member.sql("SELECT 1", password=password)

    member.applied(accounts=[ACCOUNT | {"password": "new", "old_password": "secret", "version": "2"}])
    lets_in("secret", "new")
    written = member.root("SELECT @@gtid_executed")
    member.kill_agent()
    member.start_agent()
    member.applied(30)
    assert member.root("SELECT @@gtid_executed") == written, "what is so already is not changed again"
    member.applied(accounts=[ACCOUNT | {"password": "new", "version": "3"}])
    lets_in("new")
    refuses("secret")
    member.applied(accounts=[ACCOUNT | {"version": "4"}])
    lets_in("secret")
    refuses("new")


def test_rights_and_limits_are_as_wanted_and_go_again(member: Member) -> None:
    grants = [{"privileges": ["ALL"], "on": "*"}]
    admin = {"name": "admin", "password": "p", "grants": grants, "max_connections": 5, "require": "ssl", "version": "1"}
    state = member.applied(accounts=[ACCOUNT, admin])
    assert state["objects"]["account/admin"]["error"] == ""
    written = member.root("SELECT @@gtid_executed")
    member.applied(accounts=[ACCOUNT, admin | {"version": "2"}])
    assert member.root("SELECT @@gtid_executed") == written
    less = admin | {"grants": [{"privileges": ["SELECT"], "on": "orders"}], "version": "3"}
    member.applied(accounts=[ACCOUNT, less])
    (create,) = member.sql("SHOW GRANTS", user="admin", password="p", database=None)[1:]
    assert list(create.values()) == ["GRANT SELECT ON `orders`.* TO `admin`@`%`"]
    bad = admin | {"grants": [{"privileges": ["SELECT"], "on": "orders.none"}], "version": "4"}
    state = member.applied(accounts=[ACCOUNT, bad])
    assert "`orders`.`none`" in state["objects"]["account/admin"]["error"]
    state = member.applied(accounts=[ACCOUNT], dropped=[{"kind": "account", "name": "admin", "version": "5"}])
    assert state["objects"]["account/admin"] == {"version": "5", "error": "", "partial": False}
    member.applied(dropped=[])


def test_memory_and_parameters_change_while_it_runs(member: Member) -> None:
    before, pid = member.wanted["server"], member.server_pid
    parameters = {"long_query_time": "2.5", "innodb_io_capacity": "nonsense", "back_log": "60", "no_such_thing": "1", "sql_mode": "ANSI"}
    state = member.applied(server=before | {"memory_bytes": 512 * MIB, "parameters": parameters})
    assert state["pending_restart"] == ["back_log"]
    assert set(state["rejected"]) == {"innodb_io_capacity", "no_such_thing"}
    wanted = (512 - 130) * 7 // 10 // 16 * 16 * MIB
    eventually(lambda: member.root("SELECT @@innodb_buffer_pool_size") == str(wanted))
    assert member.root("SELECT @@global.long_query_time, @@global.sql_mode").split()[0] == "2.500000"
    assert "ANSI" in member.root("SELECT @@global.sql_mode")
    member.applied(server=before)
    assert member.root("SELECT @@global.long_query_time") == "1.000000"
    assert "ANSI" not in member.root("SELECT @@global.sql_mode")
    assert member.server_pid == pid
    assert member.state()["pending_restart"] == []


def test_a_password_is_taken_as_it_is_in_any_mode(member: Member) -> None:
    """Texts of statements are quoted with backslashes, which such a server takes as they are."""
    before, password = member.wanted["server"], "a\\b'c\\"
    member.applied(server=before | {"parameters": {"sql_mode": "NO_BACKSLASH_ESCAPES"}})
    member.kill_agent()
    member.start_agent()
    state = member.applied(30, accounts=[ACCOUNT | {"password": password, "version": "5"}])
    assert state["objects"]["account/orders"]["error"] == ""
    assert member.sql("SELECT 1 AS n", password=password) == [{"n": 1}]
    member.applied(server=before, accounts=[ACCOUNT | {"version": "6"}])


def test_what_somebody_has_set_for_good_beside_the_operator_is_gone_after_a_start(member: Member) -> None:
    member.root("SET PERSIST max_connections = 7")
    pid = member.kill_server()
    member.until(lambda state: state["applied"] and member.server_pid != pid, 60)
    assert member.root("SELECT @@max_connections") != "7"


def test_new_connections_wait_until_it_accepts_writes(member: Member) -> None:
    member.put(gate=True)
    member.until(lambda state: state["gate"] and state["applied"])
    member.root("SET GLOBAL super_read_only = 1")
    answers: list[float] = []
    began = time.monotonic()
    client = threading.Thread(target=lambda: answers.append(member.sql("SELECT 1") and time.monotonic() - began))
    client.start()
    client.join(60)
    assert answers, "it came in when the agent had opened the server again, or after 10 s"
    member.applied(gate=False)
    began = time.monotonic()
    member.sql("SELECT 1")


def test_a_new_certificate_is_served_and_no_connection_ends(member: Member) -> None:
    before = member.server_certificate()
    with member.connected() as connection:
        member.issue()
        eventually(lambda: member.server_certificate() not in ("", before), 30)
        connection.ping(reconnect=False)


def test_a_dump_has_the_position_and_the_data(member: Member) -> None:
    member.sql("CREATE TABLE dumped (id INT PRIMARY KEY)")
    member.sql("INSERT INTO dumped VALUES (77)")
    packed = member.lab.folder / "dump.zst"
    packed.write_bytes(member.fetch("/v1/dump"))
    text = member.within("zstd", "-q", "-d", "-c", str(packed))
    assert "INSERT INTO `dumped` VALUES (77)" in text
    assert "SET @@GLOBAL.GTID_PURGED" in text
    member.sql("DROP TABLE dumped")


def test_a_stop_is_clean(member: Member) -> None:
    member.put(role="stopped", graceful=True)
    state = member.until(lambda state: state["ended"], 60)
    assert state["ended"]["code"] == 0
    member.applied(60, role="primary", graceful=False)


def test_time_zones_have_names(member: Member) -> None:
    assert member.root("SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin')") == "2026-07-01 14:00:00"
