"""The files of an audit log: what is in them, whatever happens to them from outside."""

import asyncio
import gzip
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.audit.files import CURRENT, Bounds, aside, put_aside, tidy
from pilothouse.engine.apiserver.audit.log import LOST, AuditLog, Unwritten
from pilothouse.engine.apiserver.audit.rotating import RotatingFile

DAY_S = 86400.0


class Text:
    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def size(self) -> int:
        return len(self._text)

    def encoded(self) -> bytes:
        return self._text.encode()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    async with AuditLog.open(tmp_path / "audit", Bounds(largest_bytes=1000)) as log:
        yield log


def lines(folder: Path) -> list[str]:
    """Of all files, the oldest first."""
    found = [gzip.decompress(each.path.read_bytes()) if each.is_compressed else each.path.read_bytes() for each in aside(folder)]
    current = folder / CURRENT
    return b"".join([*found, current.read_bytes() if current.exists() else b""]).decode().splitlines()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False).returncode:
        pytest.skip("needs to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


async def test_events_are_lines_in_their_order_in_files_that_nobody_else_may_read(log: AuditLog) -> None:
    log.put(Text("a"))
    log.put(Text("b"))
    await log.written(Text("c"))
    assert lines(log.folder) == ["a", "b", "c"]
    assert (log.folder / CURRENT).stat().st_mode & 0o777 == 0o600
    assert log.folder.stat().st_mode & 0o777 == 0o700


async def test_nothing_is_lost_or_doubled_by_rotation(tmp_path: Path) -> None:
    wanted = [f"{number:0100}" for number in range(300)]
    async with AuditLog.open(tmp_path, Bounds(largest_bytes=2000, count=1000)) as log:
        for text in wanted:
            log.put(Text(text))
            if text.endswith("0"):
                await log.written(Text(f"mark {text}"))
    tidy(tmp_path, Bounds(count=1000), 0)
    assert [line for line in lines(tmp_path) if not line.startswith("mark")] == wanted
    assert len(aside(tmp_path)) > 10
    assert {each.path.stat().st_mode & 0o777 for each in aside(tmp_path)} == {0o600}
    assert all(each.is_compressed for each in aside(tmp_path))


async def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    async with AuditLog.open(tmp_path, Bounds()) as log:
        log.put(Text("last words"))
    assert lines(tmp_path) == ["last words"]


async def test_a_file_that_is_moved_away_is_begun_anew(log: AuditLog) -> None:
    await log.written(Text("a"))
    (log.folder / CURRENT).rename(log.folder / "by-logrotate")
    await log.written(Text("b"))
    assert (lines(log.folder), (log.folder / "by-logrotate").read_text()) == (["b"], "a\n")


async def test_a_file_that_is_emptied_goes_on_at_its_beginning(log: AuditLog) -> None:
    await log.written(Text("a"))
    os.truncate(log.folder / CURRENT, 0)
    await log.written(Text("b"))
    assert (log.folder / CURRENT).read_bytes() == b"b\n"


async def test_a_folder_that_is_removed_is_made_again(log: AuditLog) -> None:
    await log.written(Text("a"))
    (log.folder / CURRENT).unlink()
    log.folder.rmdir()
    await log.written(Text("b"))
    assert lines(log.folder) == ["b"]


async def test_a_full_disk_is_said_and_waited_out(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.audit.log.RETRY_S", 0.01)
    async with AuditLog.open(small_disk, Bounds()) as log:
        await log.written(Text("a"))
        (small_disk / "ballast").write_bytes(b"x" * (56 << 10))
        with pytest.raises(Unwritten, match="cannot be written: No space left on device"):
            await log.written(Text("b" * 10_000))
        assert log.trouble
        with pytest.raises(Unwritten):
            await log.written(Text("c"))
        assert lines(small_disk) == ["a"]
        (small_disk / "ballast").unlink()
        async with asyncio.timeout(5):
            while log.trouble:
                await asyncio.sleep(0.01)
        await log.written(Text("d"))
    assert lines(small_disk) == ["a", "b" * 10_000, "c", "d"]


async def test_what_does_not_fit_in_memory_is_dropped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("no folder")
    before = LOST.value("log")
    async with AuditLog.open(tmp_path / "audit", Bounds(), waiting_bytes=100) as log:
        for _ in range(10):
            log.put(Text("x" * 30))
        assert LOST.value("log") - before == 7
        with pytest.raises(Unwritten, match="too many audit events wait"):
            await log.written(Text("x" * 30))
    assert LOST.value("log") - before == 8 + 3


async def test_an_event_that_cannot_be_shown_does_not_keep_the_next_from_the_log(log: AuditLog) -> None:
    class Broken(Text):
        def encoded(self) -> bytes:
            raise ValueError(self)

    log.put(Broken(""))
    with pytest.raises(Unwritten, match="cannot be encoded"):
        await log.written(Broken(""))
    await log.written(Text("a"))
    assert lines(log.folder) == ["a"]


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_bytes(b'a\n{"cut')
    RotatingFile(tmp_path, Bounds()).append(b"b\n")
    assert lines(tmp_path) == ["a", '{"cut', "b"]


def test_a_new_day_begins_a_new_file(tmp_path: Path) -> None:
    now = [(tmp_path.stat().st_mtime // DAY_S) * DAY_S + DAY_S - 1]
    file = RotatingFile(tmp_path, Bounds(), lambda: now[0])
    assert not file.append(b"before midnight\n")
    now[0] += 1
    assert file.append(b"after\n")
    assert not file.append(b"later\n")
    assert (tmp_path / CURRENT).read_text() == "after\nlater\n"


def test_a_file_of_another_day_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("yesterday\n")
    os.utime(tmp_path / CURRENT, (1e9, 1e9))
    RotatingFile(tmp_path, Bounds()).append(b"today\n")
    assert (tmp_path / CURRENT).read_text() == "today\n"
    assert lines(tmp_path) == ["yesterday", "today"]


def test_files_beyond_the_bounds_are_removed_the_oldest_first(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / CURRENT).write_text(f"{number}\n")
        put_aside(tmp_path, 1e9 + number * DAY_S)
    tidy(tmp_path, Bounds(count=3), 1e9 + 4 * DAY_S)
    assert lines(tmp_path) == ["2", "3", "4"]
    tidy(tmp_path, Bounds(count=3, days=1), 1e9 + 4.5 * DAY_S)
    assert lines(tmp_path) == ["4"]


def test_compression_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("a\n")
    put_aside(tmp_path, 1e9)
    plain = aside(tmp_path)[0].path
    draft = plain.with_name(f"{plain.name}.gz.new")
    draft.write_bytes(b"half")
    assert lines(tmp_path) == ["a"]
    tidy(tmp_path, Bounds(days=100_000), 1e9)
    assert (lines(tmp_path), plain.exists(), draft.exists()) == (["a"], False, False)


def test_a_file_that_is_compressed_and_not_removed_yet_counts_once(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("a\n")
    put_aside(tmp_path, 1e9)
    plain = aside(tmp_path)[0].path
    plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(b"a\n"))
    assert lines(tmp_path) == ["a"]
    tidy(tmp_path, Bounds(), 1e9)
    assert (lines(tmp_path), plain.exists()) == (["a"], False)


def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.touch()
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / CURRENT).symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        RotatingFile(folder, Bounds()).append(b"a\n")


def test_a_file_whose_name_is_no_time_does_not_keep_others_from_being_removed(tmp_path: Path) -> None:
    odd = tmp_path / "audit-2026-99-99T00-00-00.000.log"
    old = tmp_path / "audit-2026-01-01T00-00-00.000.log"
    for path in (odd, old):
        path.write_bytes(b"a\n")
    tidy(tmp_path, Bounds(days=1), time.time())
    assert (odd.exists(), old.exists()) == (True, False)
