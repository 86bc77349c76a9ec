"""A single server and its agent, as real processes."""

import shutil
import zipfile
from collections.abc import Iterator

import pymysql
import pytest

from tests.platform.databases.lab import Lab, Member

EMPTY = {"kind": "empty", "id": "1"}


@pytest.fixture
def member() -> Iterator[Member]:
    lab = Lab(1)
    lab.start()
    lab[0].applied(seed=EMPTY)
    yield lab[0]
    lab.close()


def test_a_primary_made_from_nothing_answers_over_tls(member: Member) -> None:
    assert member.sql("SELECT CURRENT_USER() AS me, @@read_only AS read_only") == [{"me": "orders@%", "read_only": 0}]
    assert member.ask("GET", "/ready", client=None) == (200, {"ready": True})


def test_nobody_comes_in_without_tls_or_over_tcp_as_the_system_user(member: Member) -> None:
    with pytest.raises(pymysql.err.OperationalError, match=r"secure transport|Access denied"):
        member.sql("SELECT 1", ssl_ca=None, ssl_disabled=True)
    for name in ("root", "mysql", ""):
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            member.sql("SELECT 1", user=name, password="", database=None)
    assert member.root("SELECT COUNT(*) FROM mysql.global_priv WHERE User IN ('', 'root')") == "0"


def test_a_killed_server_is_started_again_at_once_with_what_was_committed(member: Member) -> None:
    member.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    member.sql("INSERT INTO t VALUES (1)")
    pid = member.kill_server()
    member.until(lambda state: state["applied"] and member.server_pid != pid, 5)
    assert member.sql("SELECT id FROM t") == [{"id": 1}]


def test_an_agent_that_starts_again_leaves_the_server_alone(member: Member) -> None:
    with member.connected() as connection:
        member.kill_agent()
        member.start_agent()
        member.until(lambda state: state["answers"] and state["role"] == "primary")
        connection.ping(reconnect=False)
    assert member.state()["writable"]
    member.applied()


def test_an_agent_whose_program_is_replaced_starts_anew_and_leaves_the_server_alone(member: Member) -> None:
    before, pid = member.state(), member.server_pid
    new = member.lab.folder / "new.pyz"
    shutil.copy(member.lab.program, new)
    with zipfile.ZipFile(new, "a") as archive:
        archive.writestr("later.txt", "a later version")
    with member.connected() as connection:
        new.rename(member.lab.program)
        member.until(lambda state: state["agent"] not in ("", before["agent"]))
        member.applied()
        connection.ping(reconnect=False)
    assert member.server_pid == pid
    assert member.agent is not None
    assert member.agent.poll() is None, "it is the same process"


def test_orders_of_an_earlier_term_are_refused_after_a_restart_too(member: Member) -> None:
    member.put(term=5)
    member.kill_agent()
    member.start_agent()
    member.until_up()
    code, answer = member.ask("PUT", "/v1/wanted", member.wanted | {"term": 4})
    assert (code, answer["term"]) == (409, 5)


def test_only_the_operator_may_order(member: Member) -> None:
    for client in (None, "member", "job"):
        assert member.ask("PUT", "/v1/wanted", member.wanted, client=client)[0] == 403
    assert member.ask("GET", "/v1/state", client="job")[0] == 200
    assert member.ask("GET", "/v1/state", client="member")[0] == 403


def test_an_order_for_another_instance_or_of_a_strange_form_changes_nothing(member: Member) -> None:
    before = member.state()
    for change in ({"uid": "another"}, {"role": "king"}, {"term": "1"}, {"server": None}):
        assert member.ask("PUT", "/v1/wanted", member.wanted | change)[0] in (400, 409)
    assert member.state()["wanted"] == before["wanted"]


def test_time_zones_have_names(member: Member) -> None:
    assert member.root("SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin')") == "2026-07-01 14:00:00"
    assert member.root("SELECT COUNT(*) FROM mysql.time_zone_name WHERE Name LIKE '%/Europe/Berlin'") == "0"
