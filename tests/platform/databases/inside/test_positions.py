"""Positions of both flavours, and the heads of MySQL's events."""

import struct
import uuid

import pytest

from pilothouse.platform.databases.inside.archive.events import Event, event, head, previous_gtids
from pilothouse.platform.databases.inside.archive.position import after, contains, count, position, reaches, text
from pilothouse.platform.databases.inside.archive.runs import runs
from pilothouse.platform.databases.inside.archive.segment import Name

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"


@pytest.mark.parametrize("written", ["", "0-1-55", "0-1-55,1-1-7", f"{A}:1-5", f"{A}:1-5:7,{B}:3"])
def test_positions_are_read_as_they_were_written(written: str) -> None:
    assert text(position(written)) == written


def test_mysqls_are_read_as_its_server_writes_them() -> None:
    assert text(position(f"{B}:7,\n{A.upper()}:3:1-2")) == f"{A}:1-3,{B}:7"


@pytest.mark.parametrize("wrong", ["nonsense", "0-1", f"{A}:0", f"{A}:5-3", "3e11fa47:1"])
def test_what_is_no_position_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no GTID position"):
        position(wrong)


@pytest.mark.parametrize(
    ("before", "gtid", "expected"),
    [("0-1-5", "0-2-6", "0-2-6"), ("", f"{A}:1", f"{A}:1"), (f"{A}:1-4", f"{A}:5", f"{A}:1-5"), (f"{A}:1-4", f"{B}:1", f"{A}:1-4,{B}:1")],
)
def test_a_transaction_adds_to_a_position(before: str, gtid: str, expected: str) -> None:
    assert text(after(position(before), gtid)) == expected


def test_a_set_has_what_all_its_ranges_have() -> None:
    assert reaches(position(f"{A}:1-9,{B}:1"), position(f"{A}:2-3:9"))
    assert not reaches(position(f"{A}:1-9"), position(f"{B}:1"))
    assert contains(position(f"{A}:1-3:5"), f"{A}:5")
    assert not contains(position(f"{A}:1-3:5"), f"{A}:4")
    assert (count(position(f"{A}:1-3:5,{B}:7")), count(position("0-1-9"))) == (5, 9)


def test_runs_follow_mysqls_history_over_a_failover() -> None:
    """The new primary lacks the last transaction of its predecessor, and writes under a name of its own."""
    names = [Name(1, "", f"{A}:1-5"), Name(2, f"{A}:1-5", f"{A}:1-9"), Name(3, f"{A}:1-8", f"{A}:1-8,{B}:1")]
    assert [[link.last for link in run] for run in runs(names)] == [[f"{A}:1-5", f"{A}:1-8", f"{A}:1-8,{B}:1"]]


def test_a_name_with_many_servers_fits_in_folders_and_says_once_what_does_not_change() -> None:
    many = ",".join(f"{uuid.UUID(int=number)}:1-1000000" for number in range(12))
    name = Name(60, many, text(after(position(many), f"{A}:1")), 1)
    assert Name.read(name.text) == name
    assert max(len(part) for part in name.text.split("/")) <= 255
    assert len(name.text) < 900
    assert Name.read(Name(1, f"{A}:1", f"{A}:1-2").text) == Name(1, f"{A}:1", f"{A}:1-2")


def _event(kind: int, body: bytes) -> Event:
    return event(struct.pack("<IBIIIH", 0, kind, 1, 19 + len(body), 0, 0) + body)


@pytest.mark.parametrize("original", [b"", (5).to_bytes(7, "little")])
@pytest.mark.parametrize(
    ("size", "packed"), [(100, b"\x64"), (1000, b"\xfc\xe8\x03"), (1 << 40, b"\xfe" + (1 << 40).to_bytes(8, "little"))]
)
def test_mysqls_head_tells_name_size_and_moment(original: bytes, size: int, packed: bytes) -> None:
    moment = 1_767_225_600_123_456
    times = (moment | (1 << 55 if original else 0)).to_bytes(7, "little") + original
    found = head(_event(33, b"\0" + uuid.UUID(A).bytes + struct.pack("<QBQQ", 7, 2, 0, 1) + times + packed + b"rest"))
    assert found is not None
    assert (found.gtid, found.size, found.moment_us) == (f"{A}:7", size, moment)
    assert found.is_over(_event(16, b""), size)
    assert not found.is_over(_event(16, b""), size - 1)


def test_transactions_with_tags_are_refused() -> None:
    with pytest.raises(ValueError, match="tags"):
        head(_event(42, b""))


def test_the_begin_of_mysqls_log_is_told() -> None:
    body = struct.pack("<Q", 1) + uuid.UUID(A).bytes + struct.pack("<QQQQQ", 2, 1, 6, 7, 8)
    assert text(position(previous_gtids(_event(35, body)))) == f"{A}:1-5:7"
