"""Every event is read once, whatever becomes of the files meanwhile."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cli.audit import reading
from pilothouse.cli.audit.reading import Trail
from pilothouse.engine.apiserver.audit.files import CURRENT, aside
from pilothouse.model.json import Object
from tests.cli.audit.log import Log, event


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def numbered(*numbers: int) -> list[Object]:
    return [event(f"u{number}", "get", "pods shop a") for number in numbers]


class Reader:
    def __init__(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "LOOKED_AT_EVERY_S", 0)
        self.trail = Trail(log.folder)
        self._events: Iterator[Object | None] = self.trail.events(follow=True)

    def more(self) -> list[int]:
        """The numbers of the events until there is nothing more twice: one look at the file, one at the folder."""
        found, pauses = [], 0
        while pauses < 3:
            each = next(self._events)
            if each is None:
                pauses += 1
            else:
                found.append(int(each["user"]["username"][1:]))
        return found


@pytest.fixture
def reader(log: Log, monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(log, monkeypatch)


def users(trail: Trail) -> list[str]:
    return [each["user"]["username"] for each in trail.events() if each is not None]


def test_all_files_are_read_in_their_order(log: Log) -> None:
    for number in range(4):
        log.add(*numbered(number))
        if number < 3:
            log.rotate(compress=number < 2)
    assert [each.is_compressed for each in aside(log.folder)] == [True, True, False]
    assert users(Trail(log.folder)) == ["u0", "u1", "u2", "u3"]


def test_files_from_before_the_time_asked_for_are_not_read(log: Log) -> None:
    log.add(*numbered(1))
    log.rotate()
    (each,) = aside(log.folder)
    each.path.rename(log.folder / "audit-2001-01-01T00-00-00.000.log")
    assert users(Trail(log.folder, since=2e9 / 2)) == []
    assert users(Trail(log.folder)) == ["u1"]


def test_what_cannot_be_read_is_counted_and_left_out(log: Log) -> None:
    log.add(*numbered(1))
    with (log.folder / CURRENT).open("ab") as file:
        file.write(b'{"cut\n[]\n\n')
    log.add(*numbered(2))
    (log.folder / "audit-2026-01-01T00-00-00.000.log.gz").write_bytes(b"no gzip")
    trail = Trail(log.folder)
    assert (users(trail), trail.unreadable) == (["u1", "u2"], 3)


def test_what_comes_later_is_followed(log: Log, reader: Reader) -> None:
    log.add(*numbered(1))
    assert reader.more() == [1]
    log.add(*numbered(2, 3))
    assert reader.more() == [2, 3]


def test_half_a_line_is_read_once_it_is_whole(log: Log, reader: Reader) -> None:
    log.add(*numbered(1))
    whole = (log.folder / CURRENT).read_bytes()
    with (log.folder / CURRENT).open("ab") as file:
        file.write(whole[:50])
        file.flush()
        assert reader.more() == [1]
        file.write(whole[50:])
        file.flush()
    assert (reader.more(), reader.trail.unreadable) == ([1], 0)


def test_nothing_is_lost_or_doubled_when_files_rotate_while_they_are_followed(log: Log, reader: Reader) -> None:
    log.add(*numbered(1))
    assert reader.more() == [1]
    log.add(*numbered(2))
    log.rotate()
    log.add(*numbered(3))
    log.rotate(compress=True)
    log.add(*numbered(4))
    assert reader.more() == [2, 3, 4]
    log.rotate(compress=True)
    assert reader.more() == []
    log.add(*numbered(5))
    assert reader.more() == [5]


def test_a_file_that_is_emptied_is_read_from_its_beginning(log: Log, reader: Reader) -> None:
    log.add(*numbered(1, 2))
    assert reader.more() == [1, 2]
    os.truncate(log.folder / CURRENT, 0)
    log.add(*numbered(3))
    assert reader.more() == [3]


def test_a_log_that_is_not_there_yet_is_waited_for(log: Log, reader: Reader) -> None:
    assert reader.more() == []
    log.add(*numbered(1))
    assert reader.more() == [1]
