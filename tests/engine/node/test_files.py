"""Logs, images and paths of the node as they lie on disk."""

import json
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse.engine.node.housekeeping.rotation import set_aside
from pilothouse.engine.node.images.archive import write_archive
from pilothouse.engine.node.streams import logs
from pilothouse.engine.node.streams.logs import last_lines, read_log
from pilothouse.engine.node.volumes.projection import VolumeMissing
from pilothouse.engine.node.volumes.volumes import host_path


def test_a_host_path_is_checked_as_its_type_says(tmp_path: Path) -> None:
    assert host_path(str(tmp_path / "new"), "DirectoryOrCreate").is_dir()
    assert host_path(str(tmp_path / "file"), "FileOrCreate").is_file()
    with pytest.raises(VolumeMissing, match="is not a directory"):
        host_path(str(tmp_path / "file"), "Directory")
    with pytest.raises(VolumeMissing, match="is not a socket file"):
        host_path(str(tmp_path / "nothing"), "Socket")


@dataclass(frozen=True)
class Options:
    follow: bool = False
    timestamps: bool = False
    since_s: int | None = None
    since: str = ""
    tail: int | None = None
    limit_bytes: int | None = None
    stream: str = "All"


def line(second: int, text: str, stream: str = "stdout", tag: str = "F") -> str:
    return f"2026-01-01T00:00:{second:02d}.5Z {stream} {tag} {text}\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    (tmp_path / "0.log.20260101-000000").write_text(line(1, "one") + line(2, "two", "stderr"))
    path.write_text(line(3, "thr", tag="P") + line(3, "ee") + line(4, "") + line(5, "five") + "2026-01-01T00:00:06Z stdout F half")
    return path


async def ended() -> bool:
    return True


async def still_running() -> bool:
    return False


async def text(pieces: AsyncIterator[bytes]) -> str:
    return b"".join([piece async for piece in pieces]).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), "one\ntwo\nthree\n\nfive\n"),
        (Options(tail=3), "three\n\nfive\n"),
        (Options(tail=0), ""),
        (Options(tail=100), "one\ntwo\nthree\n\nfive\n"),
        (Options(since="2026-01-01T00:00:04Z"), "\nfive\n"),
        (Options(limit_bytes=6), "one\ntw"),
        (Options(stream="Stderr"), "two\n"),
        (Options(timestamps=True, tail=3), "2026-01-01T00:00:03.5Z three\n2026-01-01T00:00:04.5Z \n2026-01-01T00:00:05.5Z five\n"),
    ],
)
async def test_logs_are_cut_as_asked(log: Path, options: Options, expected: str) -> None:
    assert await text(read_log(log, options, ended)) == expected


async def test_following_goes_on_through_a_rotation(log: Path) -> None:
    pieces = read_log(log, Options(follow=True, tail=1), still_running)
    assert await anext(pieces) == b"five\n"
    with log.open("a") as file:
        file.write(" done\n")
    assert await anext(pieces) == b"half done\n"
    log.rename(log.with_name("0.log.20260101-000100"))
    log.write_text(line(7, "seven"))
    assert await anext(pieces) == b"seven\n"


async def test_following_ends_with_the_container(log: Path) -> None:
    assert await text(read_log(log, Options(follow=True, tail=1), ended)) == "five\n"


def test_the_end_of_a_log_serves_as_a_message(log: Path) -> None:
    assert last_lines(log, 2, 2048) == "five\nhalf\n"


def test_a_message_begins_in_the_file_that_was_rotated_away(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text("2026-01-01T00:00:00Z stderr F one\n2026-01-01T00:00:00Z stderr F two\n")
    assert set_aside(log, 1, 5)
    log.write_text("2026-01-01T00:00:01Z stderr F three\n")
    assert last_lines(log, 2, 2048) == "two\nthree\n"


def test_rotation_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for _ in range(8):
        path.write_text("x" * 100)
        assert set_aside(path, 100, 3)
    path.write_text("x")
    assert not set_aside(path, 100, 3)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_archive_is_an_image_by_the_book_and_always_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "a.tar", tmp_path / "b.tar"
    for path in (first, second):
        write_archive(path, "example.com/x:1", {"bin/x": b"#!"}, {"bin/y": "x"}, {"Cmd": ["x"]})
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        member = archive.extractfile("index.json")
        assert member is not None
        index = json.load(member)
        assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "example.com/x:1"
        assert f"blobs/sha256/{index['manifests'][0]['digest'][7:]}" in archive.getnames()


def written(lines: list[str]) -> bytes:
    return b"".join(b"2026-01-01T00:00:00Z stdout F " + line.encode() + b"\n" for line in lines)


async def test_carriage_returns_are_part_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "0.log").write_bytes(written(["10%\r50%\r100% done", "tty\r"]))
    assert await text(read_log(tmp_path / "0.log", Options(), ended)) == "10%\r50%\r100% done\ntty\r\n"


@pytest.mark.parametrize("tail", [0, 1, 2, 7, 8, 9, 20])
@pytest.mark.parametrize("block", [64, 100, 1 << 18])
async def test_a_tail_is_the_same_however_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: int, block: int) -> None:
    monkeypatch.setattr(logs, "BLOCK_BYTES", block)
    every = "".join(f"{line}\n" for line in ["a", "b" * 20, "half rest", "", "c", "d" * 10, "e", "f"])
    expected = "".join(every.splitlines(keepends=True)[-tail:]) if tail else ""
    (tmp_path / "0.log.20260101").write_bytes(written(["a", "b" * 20]) + b"2026-01-01T00:00:00Z stdout P half \n")
    (tmp_path / "0.log").write_bytes(written(["rest", "", "c", "d" * 10, "e", "f"]))
    assert await text(read_log(tmp_path / "0.log", Options(tail=tail), ended)) == expected


async def test_a_large_log_is_read_block_by_block(tmp_path: Path) -> None:
    (tmp_path / "0.log").write_bytes(written(["x" * 1000]) * 4000)
    pieces = read_log(tmp_path / "0.log", Options(), ended)
    assert len(await anext(pieces)) <= logs.BLOCK_BYTES
    assert isinstance(pieces, AsyncGenerator)
    await pieces.aclose()
    assert await text(read_log(tmp_path / "0.log", Options(tail=2), ended)) == ("x" * 1000 + "\n") * 2


async def test_a_limit_ends_the_reading(tmp_path: Path) -> None:
    (tmp_path / "0.log").write_bytes(written(["abc"]) * 10)
    assert await text(read_log(tmp_path / "0.log", Options(limit_bytes=6), ended)) == "abc\nab"
