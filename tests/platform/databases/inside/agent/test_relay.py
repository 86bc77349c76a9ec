"""Where the relay logs go on behind what is applied, in files made here byte by byte."""

import struct
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent.dialects.mariadb.relay import Gap, first_after

GTID, ROWS, FORMAT = 162, 23, 15


def event(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<IBIIIH", 0, kind, 7, 19 + len(body), 0, 0) + body


def transaction(number: int, domain: int = 0) -> bytes:
    return event(GTID, struct.pack("<QIB", number, domain, 0)) + event(ROWS, b"x" * 40)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Transactions 1 and 2, of 3 that of another domain beside it; each transaction is 32 and 59 bytes long."""
    head = b"\xfebin" + event(FORMAT, b"f" * 77)
    (tmp_path / "relay.000001").write_bytes(head)
    (tmp_path / "relay.000002").write_bytes(head + transaction(1) + transaction(2))
    (tmp_path / "relay.000003").write_bytes(head + transaction(3) + transaction(9, domain=1) + transaction(4))
    (tmp_path / "relay.index").write_text("./relay.000001\n./relay.000002\n./relay.000003\n")
    return tmp_path


@pytest.mark.parametrize(
    ("sequence", "place"),
    [
        (0, ("relay.000002", 100)),
        (1, ("relay.000002", 191)),
        (2, ("relay.000003", 100)),
        (3, ("relay.000003", 282)),
        (4, ("relay.000003", 373)),
    ],
)
def test_it_goes_on_at_the_first_transaction_that_is_not_applied(logs: Path, sequence: int, place: tuple[str, int]) -> None:
    assert first_after(logs, "relay.000002", 4, sequence) == place


def test_what_the_servers_own_note_has_left_behind_is_found(logs: Path) -> None:
    assert first_after(logs, "relay.000003", 282, 1) == ("relay.000002", 191)


def test_logs_that_go_on_behind_a_gap_are_refused(logs: Path) -> None:
    (logs / "relay.index").write_text("./relay.000003\n")
    assert first_after(logs, "relay.000003", 4, 2) == ("relay.000003", 100)
    with pytest.raises(Gap, match="transaction 3, and 1 is the last"):
        first_after(logs, "relay.000003", 4, 1)


def test_half_an_event_at_the_end_is_none(logs: Path) -> None:
    whole = (logs / "relay.000003").read_bytes()
    (logs / "relay.000003").write_bytes(whole[:-30])
    assert first_after(logs, "relay.000002", 4, 4) == ("relay.000003", 314)
    (logs / "relay.000003").write_bytes(whole + event(GTID, struct.pack("<QIB", 5, 0, 0))[:10])
    assert first_after(logs, "relay.000002", 4, 4) == ("relay.000003", 373)


def test_a_log_that_the_index_has_not_is_refused(logs: Path) -> None:
    with pytest.raises(ValueError, match="is not in list"):
        first_after(logs, "relay.000009", 4, 0)
