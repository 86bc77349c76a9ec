"""Pure parts of the agent."""

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent import configuration, disk, errors, files, logs, upkeep, wanted
from pilothouse.platform.databases.inside.agent.backoff import FLOOR_S, MOST_S, Starts
from pilothouse.platform.databases.inside.agent.dialects.mariadb import DIALECT as MARIADB
from pilothouse.platform.databases.inside.agent.dialects.mariadb import accounts
from pilothouse.platform.databases.inside.agent.disk import MIB, Ballast, Disk
from pilothouse.platform.databases.inside.agent.fields import Malformed
from pilothouse.platform.databases.inside.agent.gtid import covers, sequence
from pilothouse.platform.databases.inside.agent.hold import ALONE_S, Hold
from pilothouse.platform.databases.inside.agent.marks import Marks
from pilothouse.platform.databases.inside.agent.memory import Memory, Outdated
from pilothouse.platform.databases.inside.agent.objects import names, rights
from pilothouse.platform.databases.inside.agent.sessions import in_transaction
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sizing import sizes
from pilothouse.platform.databases.inside.agent.sql import Refused, Row, Sql
from pilothouse.platform.databases.inside.agent.tuning import Tuned, canonical, tune
from pilothouse.platform.databases.inside.agent.wanted import Account, Grant, Server
from tests.platform.databases.lab import ACCOUNT, UID

VOLUME = 1 << 30
DOCUMENT = {
    "instance": "orders",
    "uid": UID,
    "term": 3,
    "role": "primary",
    "server": {"version": "10.11", "memory_bytes": 1 << 29, "cpu_millis": 500, "parameters": {"sql_mode": "ANSI"}},
    "accounts": [ACCOUNT],
}


def settings(tmp_path: Path) -> Settings:
    environ = {"POD_NAME": "orders-2", "POD_NAMESPACE": "shop", "INSTANCE": "orders", "INSTANCE_UID": UID, "DATA": str(tmp_path)}
    return Settings.of(environ)


def parsed(**changes: object) -> wanted.Wanted:
    return wanted.parse(json.dumps(DOCUMENT | changes).encode())


class TestWanted:
    def test_the_digest_is_that_of_the_canonical_document(self) -> None:
        loose = json.dumps(DOCUMENT, indent=2).encode()
        strict = json.dumps(DOCUMENT, sort_keys=True, separators=(",", ":")).encode()
        assert wanted.parse(loose).digest == wanted.parse(strict).digest == wanted.digest(strict)

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"role": "king"}, "role"),
            ({"term": True}, "term"),
            ({"term": None}, "term"),
            ({"server": None}, "server"),
            ({"source": {"host": "a", "port": "x"}, "replication": {"user": "r", "password": "p"}}, "source.port"),
            ({"source": {"host": "a", "port": 1}}, "replication"),
            ({"promote_after": "soon"}, "promote_after"),
            ({"promote_after": "0-1"}, "promote_after"),
            ({"handed": "soon"}, "handed"),
            ({"seed": {"kind": "stolen"}}, "seed.kind"),
            ({"accounts": [{"name": 5}]}, "accounts[0].name"),
            ({"accounts": {}}, "accounts"),
            ({"dropped": [{"kind": "table", "name": "t"}]}, "kind"),
        ],
    )
    def test_what_is_wrong_is_named(self, changes: dict[str, object], named: str) -> None:
        if named == "accounts":
            changes = {"accounts": "all"}
        with pytest.raises(Malformed, match=named.replace("[", r"\[")):
            parsed(**changes)

    @pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
    def test_what_is_no_document_is_refused(self, text: bytes) -> None:
        with pytest.raises(Malformed):
            wanted.parse(text)


class TestConfiguration:
    def test_no_parameter_undoes_a_promise(self, tmp_path: Path) -> None:
        server = Server("10.11", 1 << 29, 500, {"sync_binlog": "0", "SQL-LOG-BIN": "x", "log_bin": "no", "max_connections": "7"})
        text = configuration.text(MARIADB.options, settings(tmp_path), server, VOLUME, term=3, truncates=False)
        assert text.count("sync-binlog = ") == 1
        assert "\nsync-binlog = 1\n" in text
        assert "\nlog-bin = binlog\n" in text
        assert "\nloose-max-connections = 7\n" in text

    def test_a_value_cannot_become_a_line_of_its_own(self, tmp_path: Path) -> None:
        server = Server("10.11", 1 << 29, 500, {"sql_mode": 'ANSI"\nskip-grant-tables = 1\n#'})
        lines = configuration.text(MARIADB.options, settings(tmp_path), server, VOLUME, term=3, truncates=False).splitlines()
        assert not any(line.startswith("skip-grant") for line in lines)

    def test_servers_have_other_numbers_at_each_term(self, tmp_path: Path) -> None:
        own = settings(tmp_path)
        assert configuration.server_id(own, 3) == 3 * 16 + 3
        text = configuration.text(MARIADB.options, own, Server("10.11", 1 << 29, 500, {}), VOLUME, term=3, truncates=True)
        assert "\nserver-id = 51\n" in text
        assert "\ninit-rpl-role = SLAVE\n" in text

    def test_what_is_no_longer_set_is_known(self, tmp_path: Path) -> None:
        def text(**parameters: str) -> str:
            return configuration.text(
                MARIADB.options, settings(tmp_path), Server("10.11", 1 << 29, 500, parameters), VOLUME, term=1, truncates=False
            )

        assert configuration.removed(text(sql_mode="ANSI", long_query_time="5"), text()) == ["sql_mode"]


class TestSizes:
    @pytest.mark.parametrize("mib", [64, 128, 256, 512, 1024, 4096, 65536])
    def test_the_pool_leaves_room_for_the_rest(self, mib: int) -> None:
        of_memory = sizes(mib * MIB, VOLUME)
        assert of_memory.buffer_pool >= 16 * MIB
        assert 30 <= of_memory.connections <= 2000
        assert mib < 128 or of_memory.buffer_pool + 60 * MIB < mib * MIB

    def test_more_memory_is_never_less_of_anything(self) -> None:
        before = sizes(0, VOLUME)
        for mib in range(64, 9000, 64):
            now = sizes(mib * MIB, VOLUME)
            assert now.buffer_pool >= before.buffer_pool
            assert now.connections >= before.connections
            before = now

    def test_the_redo_log_takes_a_tenth_of_the_volume_at_most(self) -> None:
        assert sizes(8 << 30, 448 * MIB).redo_log == 44 * MIB
        assert sizes(8 << 30, 50 * MIB).redo_log == 16 * MIB
        assert sizes(8 << 30, 1 << 40).redo_log == 1024 * MIB


class TestGtid:
    def test_positions_are_compared_by_their_number(self) -> None:
        assert sequence("") == 0
        assert sequence("1-1-900,0-17-55") == 55
        assert covers("0-17-55", "0-33-54")
        assert not covers("0-17-9", "0-17-10")
        with pytest.raises(ValueError):
            sequence("something")


class TestStarts:
    def test_the_first_restart_is_at_once_and_later_ones_wait_longer_and_longer(self) -> None:
        now, waits, starts = 0.0, [], Starts()
        for _ in range(9):
            waits.append(starts.due(now) - now)
            now = max(now, starts.due(now))
            starts = starts.ended(now, ran_s=0.5)
        assert waits == [0, 0, FLOOR_S, 2, 4, 8, 16, MOST_S, MOST_S]

    def test_a_server_that_ran_steadily_starts_at_once_again(self) -> None:
        starts = Starts(8, 100.0).ended(170.0, ran_s=25.0)
        assert starts.due(170.0) == 170.0


class TestAccounts:
    ACCOUNT = Account("shop", "new", "old", (Grant(("ALL",), "my_db"), Grant(("SELECT", "insert"), "other.t")), 5, "ssl", "1")

    def test_passwords_are_told_as_hashes_alone(self) -> None:
        statement = accounts.login_statement(self.ACCOUNT, "ALTER")
        assert "new" not in statement
        assert statement.count("USING '*") == 2
        assert names.hashed("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"

    def test_a_database_is_no_pattern(self) -> None:
        assert names.scope("my_db") == r"`my\_db`.*"
        assert names.scope("my_db.t_1") == "`my_db`.`t_1`"
        assert names.scope("*") == "*.*"

    def test_rights_are_exact(self) -> None:
        found = rights.found(
            [
                "GRANT USAGE ON *.* TO `shop`@`%` IDENTIFIED BY PASSWORD '*X' REQUIRE SSL",
                r"GRANT SELECT, DELETE ON `my\_db`.* TO `shop`@`%` WITH GRANT OPTION",
                "GRANT SELECT ON `gone`.* TO `shop`@`%`",
            ]
        )
        assert rights.statements("shop", rights.wanted(self.ACCOUNT), found) == [
            r"REVOKE DELETE, GRANT OPTION, SELECT ON `my\_db`.* FROM 'shop'@'%'",
            "REVOKE SELECT ON `gone`.* FROM 'shop'@'%'",
            r"GRANT ALL PRIVILEGES ON `my\_db`.* TO 'shop'@'%'",
            "GRANT INSERT, SELECT ON `other`.`t` TO 'shop'@'%'",
        ]

    def test_an_account_with_another_way_in_is_made_anew(self) -> None:
        way = {"plugin": "mysql_native_password", "authentication_string": names.hashed("new")}
        assert accounts.found_login(json.dumps(way | {"ssl_type": 1})) == accounts.Login((names.hashed("new"),), 1, 0)
        assert accounts.found_login(json.dumps(way | {"auth_or": [{}, {"plugin": "unix_socket"}]})) is None

    def test_quotes_end_no_name(self) -> None:
        assert names.text("a'b\\") == r"'a\'b\\'"
        assert names.identifier("a`b") == "`a``b`"


class TestFiles:
    def test_a_term_is_kept_and_never_goes_back(self, tmp_path: Path) -> None:
        memory = Memory(tmp_path / "agent")
        memory.obey(4, 9)
        with pytest.raises(Outdated) as caught:
            Memory(tmp_path / "agent").obey(3, 99)
        assert caught.value.term == 4

    def test_a_decision_that_another_one_has_followed_is_not_obeyed(self, tmp_path: Path) -> None:
        memory = Memory(tmp_path / "agent")
        memory.obey(4, 9)
        memory.obey(4, 9)
        with pytest.raises(Outdated):
            memory.obey(4, 8)
        memory.obey(5, 1)

    def test_that_data_were_the_primarys_is_kept_until_they_follow_somebody(self, tmp_path: Path) -> None:
        memory = Memory(tmp_path)
        assert memory.led == 0
        memory.leads(4)
        assert Memory(tmp_path).led == 4
        memory.follows()
        assert (memory.led, Memory(tmp_path).led) == (0, 0)

    def test_marks_are_of_one_process(self, tmp_path: Path) -> None:
        marks = Marks(tmp_path)
        marks.set("mode", 7, "primary")
        assert (marks.get("mode", 7), marks.get("mode", 8), marks.get("mode", 0)) == ("primary", "", "")
        marks.prepare("mode", "replica")
        assert marks.get("mode", 0) == ""
        assert (marks.get("mode", 8), marks.get("mode", 9)) == ("replica", "")

    def test_a_file_is_whole_or_as_before(self, tmp_path: Path) -> None:
        files.write(tmp_path / "a", "one")
        (tmp_path / ".a.new").write_text("half of ano")
        assert files.read(tmp_path / "a") == "one"
        assert files.read(tmp_path / "b") == ""


class TestLogs:
    LOG = (
        "2026-11-30 16:00:00 0 [ERROR] of an earlier start\n"
        "2026-11-30 16:27:39 0 [Note] Starting MariaDB 10.11.19\n"
        "2026-11-30 16:27:40 0 [ERROR] Can't start server: Bind on TCP/IP port. Got error: 98\n"
        "2026-11-30 16:27:40 0 [ERROR] Aborting\n"
    )

    def test_why_a_server_ended_is_its_first_error_of_this_start(self, tmp_path: Path) -> None:
        log = tmp_path / "error.log"
        log.write_text(self.LOG)
        said = errors.sentence(1, MARIADB.error_log, log)
        assert said == "the server ended with the code 1: Can't start server: Bind on TCP/IP port. Got error: 98"
        assert errors.sentence(0, MARIADB.error_log, log) == ""
        assert errors.sentence(128 + signal.SIGKILL, MARIADB.error_log, log) == "the server was ended by the signal 9"
        assert errors.sentence(1, MARIADB.error_log, tmp_path / "none") == "the server ended with the code 1"

    @pytest.mark.parametrize(
        "line",
        [
            "5 [ERROR] [FATAL] InnoDB: Error (Out of disk space) in rollback.",
            "5 [FATAL] InnoDB: Error (Out of disk space) in rollback.",
            "5 [ERROR] mariadbd: Error writing file './binlog' (errno: 28 \"No space left on device\")",
        ],
    )
    def test_a_server_that_ends_for_want_of_room_is_known(self, tmp_path: Path, line: str) -> None:
        log = tmp_path / "error.log"
        log.write_text(self.LOG)
        assert not errors.is_out_of_room(MARIADB.error_log, log)
        log.write_text(f"{self.LOG}2026-11-30 16:28:00 {line}\n")
        assert errors.is_out_of_room(MARIADB.error_log, log)

    def test_a_full_volume_is_said_with_the_way_out(self) -> None:
        said = disk.sentence(Disk(1 << 30, 30 * MIB), "orders")
        assert said.startswith("the volume is full: ph mysql resize orders --size SIZE")
        assert said.endswith("30 MiB of 1024 MiB are free")

    def test_a_log_that_cannot_be_truncated_is_known(self, tmp_path: Path) -> None:
        log = tmp_path / "error.log"
        log.write_text("2026-11-30 16:27:40 0 [ERROR] Cannot truncate the binary log to file:./binlog.000001 pos:740\n")
        assert errors.is_untruncated(MARIADB.error_log, log)

    def test_the_last_lines(self, tmp_path: Path) -> None:
        log = tmp_path / "error.log"
        log.write_text("a\nb\nc\n")
        assert logs.last_lines(log, 2) == b"b\nc\n"
        assert logs.last_lines(log, 0) == logs.last_lines(tmp_path / "none", 5) == b""

    def test_a_log_is_replaced_when_it_is_large(self, tmp_path: Path) -> None:
        log, reopened = tmp_path / "error.log", []
        log.write_bytes(b"x" * 10)
        upkeep.rotate(log, lambda: reopened.append(1))
        assert not reopened
        with log.open("wb") as file:
            file.truncate(upkeep.MOST_LOG + 1)
        upkeep.rotate(log, lambda: reopened.append(1))
        assert reopened
        assert not log.exists()
        assert (tmp_path / "error.log.1").exists()


class TestDisk:
    def test_a_full_volume_is_full_until_there_is_twice_the_room(self) -> None:
        least = Disk(1000 * MIB, 0).least_free
        assert not Disk(1000 * MIB, least).is_full(before=False)
        assert Disk(1000 * MIB, least - 1).is_full(before=False)
        assert Disk(1000 * MIB, 2 * least - 1).is_full(before=True)
        assert not Disk(1000 * MIB, 2 * least).is_full(before=True)

    def test_ballast_is_kept_where_there_is_room_and_goes_where_there_is_none(self, tmp_path: Path) -> None:
        ballast = Ballast(tmp_path / "ballast")
        ballast.keep(Disk(64 * MIB, 5 * MIB))
        assert not (tmp_path / "ballast").exists()
        ballast.keep(Disk(64 * MIB, 60 * MIB))
        assert (tmp_path / "ballast").stat().st_blocks * 512 >= 4 * MIB
        ballast.drop(Disk(64 * MIB, 10 * MIB))
        assert (tmp_path / "ballast").exists()
        ballast.drop(Disk(64 * MIB, 3 * MIB))
        assert not (tmp_path / "ballast").exists()


class TestHold:
    def test_an_agent_outlives_its_server_and_leaves_one_whose_container_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = Hold(tmp_path)
        assert not hold.is_over(is_stopping=True, pid=0)
        hold.leave()
        assert not hold.is_over(is_stopping=True, pid=7)
        assert not hold.is_over(is_stopping=False, pid=7)
        assert hold.is_over(is_stopping=True, pid=0)
        # a container that ends alone leaves the server
        later = time.monotonic() + ALONE_S + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert hold.is_over(is_stopping=False, pid=7)
        assert not hold.is_over(is_stopping=True, pid=7)


def test_transactions_are_read_from_the_engines_report() -> None:
    report = (
        "---TRANSACTION 421, not started\nMariaDB thread id 5, OS thread handle 1\n"
        "---TRANSACTION 33, ACTIVE 2 sec\n1 lock struct(s)\nMariaDB thread id 12, OS thread handle 2\n"
    )
    assert in_transaction(report) == {12}


@pytest.mark.parametrize(
    ("one", "other"), [("1M", "1048576"), ("ON", "1"), ("off", "0"), ("a,B", "B,A"), ("1.000000", "1.0"), ("2g", "2147483648")]
)
def test_spellings_of_one_value_are_equal(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


class Refusing(Sql):
    """Has two settings, and refuses to change them by that number."""

    def __init__(self, errno: int) -> None:
        self._errno = errno

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        if statement == "variables":
            return [{"name": name, "value": "0", "is_numeric": True} for name in ("max_connections", "slave_domain_parallel_threads")]
        raise Refused(self._errno, "no")

    def run(self, *statements: str) -> None:
        self.rows(statements[0])


@pytest.mark.parametrize(
    ("errno", "tuned"),
    [
        (1198, Tuned(pending=("slave_domain_parallel_threads",))),
        (1238, Tuned(pending=("slave_domain_parallel_threads",))),
        (3017, Tuned(pending=("slave_domain_parallel_threads",))),
        (1231, Tuned(rejected={"slave_domain_parallel_threads": "no"})),
    ],
)
def test_a_setting_that_only_a_running_replica_refuses_counts_from_a_start(errno: int, tuned: Tuned) -> None:
    assert tune(Refusing(errno), "variables", {"slave_domain_parallel_threads": "2"}) == tuned
