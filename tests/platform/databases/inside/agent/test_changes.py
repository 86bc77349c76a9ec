"""Which files of the log of changes may go."""

import struct
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent.changes import KEPT_S, Log, Room, begin, first_kept, logs
from pilothouse.platform.databases.inside.agent.disk import MIB, Disk

PLENTY = Room(most=1 << 40, wanting=0)


def event(kind: int, body: bytes) -> bytes:
    return struct.pack("<IBIIIH", 0, kind, 1, 19 + len(body), 0, 0) + body


def gtid_list(*entries: tuple[int, int, int]) -> bytes:
    return event(163, struct.pack("<I", len(entries)) + b"".join(struct.pack("<IIQ", *entry) for entry in entries) + b"sums")


@pytest.fixture
def found(tmp_path: Path) -> list[Log]:
    """Five of 100 bytes; the nth begins behind transaction 10 * (n - 1)."""
    made = []
    for number in range(1, 6):
        path = tmp_path / f"binlog.{number:06d}"
        path.write_bytes(b"\xfebin" + event(15, b"format") + gtid_list((0, 1, 10 * (number - 1))))
        made.append(Log(path, 100, 60.0))
    return made


def kept(found: list[Log], room: Room = PLENTY, archived: str | None = None) -> str:
    log = first_kept(found, room, archived)
    return log.path.name[-1] if log else ""


def test_files_are_told_with_their_sizes_the_oldest_first(tmp_path: Path, found: list[Log]) -> None:
    (tmp_path / "binlog.index").write_text("binlog.000001")
    assert [log.path for log in logs(tmp_path, 0.0)] == [log.path for log in found]


@pytest.mark.parametrize(("most", "first"), [(1000, ""), (350, "3"), (0, "4")])
def test_the_oldest_go_where_they_take_too_much_and_the_last_two_stay(found: list[Log], most: int, first: str) -> None:
    assert kept(found, Room(most, 0)) == first
    assert kept(found[:1], Room(most, 0)) == ""


def test_what_is_older_than_a_week_goes(found: list[Log]) -> None:
    old = [Log(log.path, log.size, KEPT_S + 1) for log in found[:2]]
    assert kept([*old, *found[2:]]) == "3"


@pytest.mark.parametrize(("archived", "first"), [("", ""), ("0-1-9", ""), ("0-2-10", "2"), ("0-1-29", "3"), ("0-1-99", "4")])
def test_what_is_not_archived_yet_stays(found: list[Log], archived: str, first: str) -> None:
    assert kept(found, Room(0, 0), archived) == first


def test_a_volume_that_gets_full_matters_more_than_the_archive(found: list[Log]) -> None:
    assert kept(found, Room(0, 150), "0-1-10") == "3"
    assert kept(found, Room(0, 10_000), "") == "4"


def test_a_file_that_cannot_be_read_counts_as_not_archived(found: list[Log]) -> None:
    found[2].path.write_bytes(b"no log")
    assert kept(found, Room(0, 0), "0-1-99") == "2"


def test_room_is_wanted_before_the_server_ceases_to_take_writes() -> None:
    volume = Disk(10_000 * MIB, 9000 * MIB)
    assert Room.of(volume) == Room(2000 * MIB, 0)
    tight = Disk(volume.size, 3 * volume.least_free)
    assert not tight.is_full(before=False)
    assert Room.of(tight).wanting == 3 * volume.least_free


def test_a_position_has_the_last_transaction_of_each_domain(tmp_path: Path) -> None:
    path = tmp_path / "binlog.000001"
    path.write_bytes(b"\xfebin" + event(15, b"format") + gtid_list((0, 1, 5), (1, 1, 7), (0, 2, 6)))
    assert begin(path) == "0-2-6,1-1-7"
