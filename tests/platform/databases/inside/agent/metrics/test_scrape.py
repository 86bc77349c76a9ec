"""What real servers and their agents say of themselves, and that Prometheus understands it."""

import http.client
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pymysql
import pytest

from tests.platform.databases.inside.agent.test_replication import eventually
from tests.platform.databases.lab import Lab, Member

EMPTY = {"kind": "empty", "id": "1"}


@pytest.fixture(scope="module")
def member() -> Iterator[Member]:
    lab = Lab(1)
    lab.start()
    lab[0].applied(seed=EMPTY)
    yield lab[0]
    lab.close()


def scrape(member: Member) -> str:
    """Without a certificate, as Prometheus does. Not the answer of a second ago."""
    time.sleep(1.05)
    connection = http.client.HTTPSConnection("127.0.0.1", member.port, timeout=10, context=member._context(None))
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        return answer.read().decode()
    finally:
        connection.close()


def value(text: str, name: str, **labels: str) -> float:
    wanted = [f'{label}="{each}"' for label, each in labels.items()]
    found = [line for line in text.splitlines() if line.startswith(f"{name}{{") and all(each in line for each in wanted)]
    assert len(found) == 1, (name, labels, found)
    return float(found[0].rpartition(" ")[2])


def test_prometheus_finds_no_fault_in_the_text(member: Member) -> None:
    text = scrape(member)
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=60, check=False)
    faults = [line for line in (done.stdout + done.stderr).decode().splitlines() if not any(known in line for known in KNOWN)]
    assert not faults
    assert value(text, "mysql_up", namespace="default", mysql="orders", member="orders-0") == 1
    assert value(text, "mysql_exporter_last_scrape_error") == 0


KNOWN = (
    'counter metrics should have "_total" suffix',
    'non-histogram and non-summary metrics should not have "_count" suffix',
)
"""What names of mysqld_exporter have against them."""


def test_what_clients_do_is_counted(member: Member) -> None:
    member.sql("CREATE TABLE IF NOT EXISTS counted (id INT PRIMARY KEY AUTO_INCREMENT)")
    before = scrape(member)
    for _ in range(5):
        member.sql("INSERT INTO counted VALUES (NULL)")
    with suppress(pymysql.OperationalError):
        member.sql("SELECT 1", user="nobody", password="wrong")
    after = scrape(member)
    grown = [value(after, name, **labels) - value(before, name, **labels) for name, labels in COUNTED]
    assert grown == [5, 5, 1]
    wanted = value(before, "pilothouse_mysql_gtid_sequence", kind="executed") + 5
    # The position is that of the agent's last look, which may be seconds old.
    eventually(lambda: value(scrape(member), "pilothouse_mysql_gtid_sequence", kind="executed") == wanted)
    assert value(after, "mysql_global_status_query_time") > value(before, "mysql_global_status_query_time")


COUNTED: list[tuple[str, dict[str, str]]] = [
    ("mysql_global_status_commands_total", {"command": "insert"}),
    ("mysql_global_status_binlog_commits", {}),
    ("mysql_global_status_access_denied_errors", {}),
]


def test_role_room_and_settings_are_there(member: Member) -> None:
    text = scrape(member)
    assert value(text, "pilothouse_mysql_role", role="primary") == 1
    assert value(text, "pilothouse_mysql_writable") == 1
    assert value(text, "pilothouse_mysql_term") == 1
    assert 0 < value(text, "pilothouse_mysql_volume_free_bytes") <= value(text, "pilothouse_mysql_volume_size_bytes")
    assert value(text, "mysql_binlog_size_bytes") > 0
    assert value(text, "mysql_global_variables_max_connections") == float(member.root("SELECT @@max_connections"))
    assert value(text, "mysql_global_variables_innodb_buffer_pool_size") == float(member.root("SELECT @@innodb_buffer_pool_size"))


def test_nothing_that_clients_wrote_is_in_the_text(member: Member) -> None:
    member.sql("SELECT SLEEP(1.2), 'a-literal-of-a-client'")
    text = scrape(member)
    assert "a-literal-of-a-client" not in text
    assert "secret" not in text
    assert len(text) < 64 << 10


def test_many_who_ask_cost_the_server_one_answer(member: Member) -> None:
    time.sleep(1.05)
    before = connections(member)
    texts: list[bytes] = []
    asking = [threading.Thread(target=lambda: texts.append(member.fetch("/metrics", client="operator"))) for _ in range(8)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(20)
    assert len(texts) == 8
    # One connection a second at most, and the two of this test's own questions.
    assert connections(member) - before <= 4


def connections(member: Member) -> int:
    return int(member.root("SHOW GLOBAL STATUS LIKE 'Connections'").split()[1])


@pytest.mark.slow
def test_commits_that_wait_for_an_acknowledgement_keep_no_scrape() -> None:
    lab = Lab(1)
    try:
        lab.start()
        member = lab[0]
        member.applied(seed=EMPTY)
        member.sql("CREATE TABLE waiting (id INT PRIMARY KEY)")
        member.applied(semi_sync=True)
        for i in range(3):
            threading.Thread(target=insert, args=(member, i), daemon=True).start()
        member.until(lambda state: state["semi_sync"]["waiting"] >= 1)
        started = time.monotonic()
        text = scrape(member)
        assert time.monotonic() - started < 3
        assert value(text, "mysql_global_status_rpl_semi_sync_master_wait_sessions") >= 1
        assert value(text, "mysql_global_status_rpl_semi_sync_master_clients") == 0
        assert value(text, "mysql_exporter_last_scrape_error") == 0
    finally:
        lab.close()


def insert(member: Member, i: int) -> None:
    with suppress(pymysql.Error, OSError):
        member.sql("INSERT INTO waiting VALUES (%s)", i)


def test_a_server_that_is_gone_is_down_and_the_agent_goes_on_telling() -> None:
    lab = Lab(1)
    try:
        lab.start()
        member = lab[0]
        member.applied(seed=EMPTY)
        member.applied(role="stopped", graceful=True)
        text = scrape(member)
        assert value(text, "mysql_up") == 0
        assert value(text, "pilothouse_mysql_role", role="none") == 1
        assert value(text, "pilothouse_mysql_volume_size_bytes") > 0
    finally:
        lab.close()
