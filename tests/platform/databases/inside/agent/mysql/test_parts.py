"""What of MySQL's dialect needs no server: sets of transactions, events of logs, hashes of passwords, statements."""

import struct
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent import configuration, errors, gtid
from pilothouse.platform.databases.inside.agent.dialects.mysql import DIALECT, accounts, sessions
from pilothouse.platform.databases.inside.agent.dialects.mysql.crypt import digest, is_of
from pilothouse.platform.databases.inside.agent.dialects.mysql.events import Transaction, second_event, transactions
from pilothouse.platform.databases.inside.agent.dialects.mysql.look import look
from pilothouse.platform.databases.inside.agent.dialects.mysql.recovery import first_missing, take_back
from pilothouse.platform.databases.inside.agent.disk import MIB
from pilothouse.platform.databases.inside.agent.objects import rights
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.source import Has
from pilothouse.platform.databases.inside.agent.sql import Row, Sql
from pilothouse.platform.databases.inside.agent.tuning import canonical
from pilothouse.platform.databases.inside.agent.wanted import Account, Grant, Server

A, B = "aaaaaaaa-1111-2222-3333-444444444444", "bbbbbbbb-1111-2222-3333-444444444444"


def settings(folder: Path) -> Settings:
    run = folder / "run"
    return Settings("orders-2", "default", "orders", "uid", "mysql", "mysql", folder, run, folder / "tls", "::", 8443, "*", 3306)


class TestSets:
    @pytest.mark.parametrize(
        ("text", "canonical"),
        [
            (f"{B}:7,{A}:1-3:5:4", f"{A}:1-5,{B}:7"),
            (f"{A.upper()}:2-3,\n{A}:1", f"{A}:1-3"),
            (f"{A}:1-9:3-4", f"{A}:1-9"),
        ],
    )
    def test_ranges_come_in_any_order_and_a_server_more_than_once(self, text: str, canonical: str) -> None:
        assert gtid.text(gtid.sets(text)) == canonical

    @pytest.mark.parametrize("text", [f"{A}", f"{A}:", f"{A}:x", f"{A}:0-4", f"{A}:4-2", "abc:1-3"])
    def test_what_is_no_set_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError):
            gtid.sets(text)

    @pytest.mark.parametrize(
        ("mine", "theirs", "holds"),
        [
            (f"{A}:1-9", f"{A}:3:5-6", True),
            (f"{A}:1-4:6-9", f"{A}:4-6", False),
            (f"{A}:1-9", f"{B}:1", False),
            (f"{A}:1-9", "", True),
            ("", f"{A}:1", False),
        ],
    )
    def test_a_position_covers_what_it_has(self, mine: str, theirs: str, holds: bool) -> None:
        assert gtid.covers(mine, theirs) is holds

    def test_a_source_has_what_it_wrote_itself_while_that_waits_for_an_acknowledgement(self) -> None:
        """It is not in its position before; a replica that started again has applied it."""
        has = Has(f"{A}:1-99,{B}:1-5", is_writable=True, server=A.upper())
        assert has.covers(f"{A}:1-100,{B}:1-5")
        assert not has.covers(f"{A}:1-100,{B}:1-6"), "these the source will never have"
        assert not has.covers("cccccccc-1111-2222-3333-444444444444:1")

    def test_who_has_two_positions_has_both(self) -> None:
        assert gtid.later(f"{A}:1-4", f"{A}:3-6,{B}:1") == f"{A}:1-6,{B}:1"
        assert gtid.later("", f"{A}:1") == f"{A}:1"
        assert gtid.own(f"{A}:1-6,{B}:1", B.upper()) == f"{B}:1"
        assert gtid.own(f"{A}:1-6", B) == ""
        assert gtid.count(f"{A}:1-4:6,{B}:9") == 6


def event(kind: int, body: bytes) -> bytes:
    return struct.pack("<IBIIIH", 0, kind, 1, 19 + len(body), 0, 0) + body


def transaction(server: str, number: int) -> bytes:
    """Of two events: 30 and 60 bytes of body."""
    return event(33, struct.pack("<B16sQ", 1, uuid.UUID(server).bytes, number) + bytes(5)) + event(2, bytes(60))


HEAD = b"\xfebin" + event(15, bytes(81)) + event(35, bytes(16))
ONE = len(transaction(A, 1))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "mysql"
    folder.mkdir()
    (folder / "binlog.index").write_text("./binlog.000001\n./binlog.000002\n")
    (folder / "binlog.000001").write_bytes(HEAD + transaction(A, 1))
    (folder / "binlog.000002").write_bytes(HEAD + transaction(A, 2) + transaction(B, 1) + transaction(A, 3))
    (folder / "auto.cnf").write_text("[auto]")
    return folder / "binlog.000002"


class TestEvents:
    def test_transactions_are_found_by_the_heads_of_events(self, log: Path) -> None:
        assert list(transactions(log)) == [
            Transaction(len(HEAD), A, 2),
            Transaction(len(HEAD) + ONE, B, 1),
            Transaction(len(HEAD) + 2 * ONE, A, 3),
        ]
        assert second_event(log) == 4 + 19 + 81

    def test_an_event_that_is_not_whole_is_none(self, log: Path) -> None:
        log.write_bytes(log.read_bytes()[: len(HEAD) + 2 * ONE + 40])
        assert [each.number for each in transactions(log)] == [2, 1]

    def test_what_cannot_be_read_is_refused(self, log: Path) -> None:
        log.write_bytes(HEAD + event(42, bytes(40)))
        with pytest.raises(ValueError, match="tags"):
            list(transactions(log))
        log.write_bytes(b"\xfdbin")
        with pytest.raises(ValueError, match="no log"):
            list(transactions(log))


class TestTakingBack:
    def test_all_goes_from_the_first_transaction_on_that_the_new_primary_has_not(self, tmp_path: Path, log: Path) -> None:
        whole = log.read_bytes()
        (tmp_path / "agent").mkdir()
        take_back(settings(tmp_path), 5, f"{A}:1-2")
        assert log.read_bytes() == HEAD + transaction(A, 2)
        assert not (log.parent / "auto.cnf").exists(), "the names of what was taken back are not given again"
        kept = (tmp_path / "agent" / "errant" / "taken-back-5.binlog").read_bytes()
        assert kept == whole[: 4 + 19 + 81] + transaction(B, 1) + transaction(A, 3)

    def test_nothing_goes_when_the_new_primary_has_all(self, tmp_path: Path, log: Path) -> None:
        whole = log.read_bytes()
        take_back(settings(tmp_path), 5, f"{A}:1-3,{B}:1")
        assert log.read_bytes() == whole
        assert (log.parent / "auto.cnf").exists()
        assert first_missing(log, f"{A}:1-3,{B}:1") is None

    def test_data_without_a_log_have_nothing_to_take_back(self, tmp_path: Path) -> None:
        (tmp_path / "mysql").mkdir()
        take_back(settings(tmp_path), 5, "")


class TestPasswords:
    KEPT = "$A$005$0123456789abcdefghij"

    def test_the_digest_is_that_of_the_scheme(self) -> None:
        """As glibc makes it."""
        assert digest(b"Hello world!", b"saltstring", 5000) == "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
        assert digest(b"Hello world!", b"saltstringsaltst", 10000) == "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"

    def test_a_hash_is_of_one_password(self) -> None:
        kept = self.KEPT + digest(b"secret", b"0123456789abcdefghij", 5000)
        assert is_of("secret", kept)
        assert not is_of("Secret", kept)
        assert not is_of("secret", "")
        assert not is_of("secret", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7")


class Answers(Sql):
    """A server that gives one row for each part of a statement that it knows."""

    def __init__(self, **rows: Sequence[Row]) -> None:
        self._rows = rows

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        return [row for part, rows in self._rows.items() if part.replace("_", " ") in statement.replace("_", " ") for row in rows]


class TestAccounts:
    OLD, NEW = (f"$A$005$0123456789abcdefghij{digest(word, b'0123456789abcdefghij', 5000)}" for word in (b"old", b"new"))

    def statements(self, password: str, second: str, old: str = "", **more: object) -> list[str]:
        row = {"plugin": "caching_sha2_password", "password": password, "second": second, "ssl_type": "ANY", "max_user_connections": 0}
        account = Account("shop", "new", old, (), 0, "ssl", "1")
        found = accounts.login_statements(Answers(User_attributes=[row | more]), account)
        return [each.removeprefix("ALTER USER 'shop'@'%' ") for each in found]

    def test_a_login_that_is_as_it_should_be_is_left_alone(self) -> None:
        assert self.statements(self.NEW, "") == []
        assert self.statements(self.NEW, self.OLD, "old") == []

    def test_while_a_password_is_replaced_the_one_before_lets_in_too(self) -> None:
        by = "IDENTIFIED WITH caching_sha2_password BY"
        assert self.statements(self.OLD, "", "old") == [f"{by} 'new' RETAIN CURRENT PASSWORD"]
        assert self.statements(self.NEW, "", "old") == [f"{by} 'old' RETAIN CURRENT PASSWORD", f"{by} 'new' RETAIN CURRENT PASSWORD"]
        assert self.statements(self.NEW, self.OLD) == ["DISCARD OLD PASSWORD"]
        assert self.statements(self.OLD, "") == [f"{by} 'new'"]

    def test_another_limit_changes_no_password(self) -> None:
        assert self.statements(self.NEW, "", ssl_type="") == ["REQUIRE SSL WITH MAX_USER_CONNECTIONS 0"]

    def test_all_rights_are_told_one_by_one_and_are_all_the_same(self) -> None:
        every = "GRANT SELECT, INSERT, SUPER ON *.* TO `mysql`@`localhost` WITH GRANT OPTION"
        some = "GRANT SELECT ON *.* TO `shop`@`%`"
        whole = "GRANT SELECT, INSERT, SUPER ON *.* TO `shop`@`%`"
        found = accounts.found_rights(Grants(every, whole), "shop")
        assert rights.statements("shop", rights.wanted(Account("shop", "", "", (Grant(("ALL",), "*"),), 0, "ssl", "")), found) == []
        assert accounts.found_rights(Grants(every, some), "shop") == {"*.*": frozenset({"SELECT"})}


class Grants(Sql):
    """own: of the agent's account. other: of the one that is asked for."""

    def __init__(self, own: str, other: str) -> None:
        self._own, self._other = own, other

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        return [{"grants": self._other if " FOR " in statement else self._own}]


class TestSettings:
    def test_a_file_keeps_its_promises_whatever_the_parameters_are(self, tmp_path: Path) -> None:
        server = Server("8.0", 512 * MIB, 500, {"gtid_mode": "OFF", "Sync_Binlog": "0", "innodb_io_capacity": "400"})
        text = configuration.text(DIALECT.options, settings(tmp_path), server, 8 << 30, term=3, truncates=True)
        lines = text.splitlines()
        assert lines[0] == "[mysqld]"
        for line in ("gtid-mode = ON", "sync-binlog = 1", "loose-innodb-io-capacity = 400", "relay-log-recovery = OFF", "server-id = 51"):
            assert lines.count(line) == 1
        assert "init-rpl-role" not in text

    @pytest.mark.parametrize("mib", [0, 256, 512, 4096, 65536])
    def test_the_buffer_pool_is_of_whole_chunks(self, mib: int) -> None:
        of_memory = DIALECT.options.sized(mib * MIB, 1 << 40)
        assert int(of_memory["innodb-buffer-pool-size"]) % (16 * MIB) == 0
        assert int(of_memory["innodb-buffer-pool-size"]) >= 16 * MIB

    def test_a_new_connection_waits_ten_seconds_at_most(self) -> None:
        pauses = [float(each.rpartition("SLEEP(")[2].partition(")")[0]) for each in sessions.GATE.split("; ")]
        assert 9.5 < sum(pauses) <= 10
        assert canonical("1M") == str(MIB)

    def test_the_error_log_says_why_a_server_ended(self, tmp_path: Path) -> None:
        log = tmp_path / "error.log"
        log.write_text(
            "2026-11-30T20:17:19.7Z 0 [ERROR] [MY-010187] [Server] of the one before\n"
            "2026-11-30T20:17:20.6Z 0 [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 8.0.46) starting as process 15944\n"
            "2026-11-30T20:17:20.7Z 0 [ERROR] [MY-010262] [Server] Can't start server: Bind on TCP/IP port: Address already in use\n"
            "2026-11-30T20:17:20.7Z 0 [ERROR] [MY-010119] [Server] Aborting\n"
        )
        said = "the server ended with the code 1: Can't start server: Bind on TCP/IP port: Address already in use"
        assert errors.sentence(1, DIALECT.error_log, log) == said
        assert not errors.is_untruncated(DIALECT.error_log, log)


class Looked(Sql):
    """A primary that waits for acknowledgements, with so many replicas. probed: how often a new connection was tried."""

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self.probed = 0

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        if statement.startswith("SHOW REPLICA"):
            return []
        if statement.startswith("SHOW GLOBAL STATUS"):
            found = {"Rpl_semi_sync_source_clients": self._replicas, "Rpl_semi_sync_source_wait_sessions": 2, "Threads_connected": 4}
            return [{"Variable_name": name, "Value": str(value)} for name, value in found.items()]
        names = ("server_id", "read_only", "rpl_semi_sync_source_enabled", "rpl_semi_sync_replica_enabled")
        return [
            {"version": "8.0.46-x", "server_uuid": A, "gtid_executed": f"{A}:1-3,\n{B}:1", "init_connect": ""} | dict.fromkeys(names, 1)
        ]

    def probe(self) -> None:
        self.probed += 1


class TestLook:
    @pytest.mark.parametrize(("replicas", "probes"), [(1, 0), (0, 1)])
    def test_a_primary_whose_commits_wait_for_nobody_is_asked_by_a_new_connection_too(self, replicas: int, probes: int) -> None:
        sql = Looked(replicas)
        answer = look(sql)
        assert sql.probed == probes
        assert (answer.version, answer.executed, answer.binlog_state) == ("8.0.46", f"{A}:1-3,{B}:1", A)
