"""A new folder of a volume as a copy of an image's: whole or not there, and never outside of either."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.filling import UNFINISHED, Stopped, fill

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="giving files to others needs root")


def filled(tmp_path: Path, path: str = "/srv/files", stop: threading.Event | None = None) -> bool:
    """tmp_path/image is the image, tmp_path/volume the volume; the folder is `data`."""
    with opened(os.open(tmp_path / "image", FOLDER)) as image, opened(os.open(tmp_path / "volume", FOLDER)) as volume:
        return fill(image, path, volume, "data", stop or threading.Event())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of the image."""
    made = tmp_path / "image" / "srv" / "files"
    made.mkdir(parents=True)
    (tmp_path / "volume").mkdir()
    os.chown(tmp_path / "volume", 0, 1000)
    (tmp_path / "volume").chmod(0o2777)
    return made


def test_content_owners_modes_and_links_are_as_in_the_image(tmp_path: Path, files: Path) -> None:
    (files / "inner").mkdir(mode=0o700)
    (files / "inner" / "a").write_text("x" * 3_000_000)
    (files / "run").write_text("#!/bin/sh")
    (files / "run").chmod(0o4755)
    (files / "link").symlink_to("/etc/passwd")
    os.mkfifo(files / "pipe")
    os.chown(files / "inner" / "a", 1234, 4321)
    os.utime(files / "run", ns=(1, 2_000_000_000))
    assert filled(tmp_path)
    data = tmp_path / "volume" / "data"
    assert (data / "inner" / "a").read_text() == "x" * 3_000_000
    owner = (data / "inner" / "a").stat()
    assert (owner.st_uid, owner.st_gid) == (1234, 4321)
    assert stat.S_IMODE((data / "inner").stat().st_mode) == 0o700
    assert (stat.S_IMODE((data / "run").stat().st_mode), (data / "run").stat().st_mtime_ns) == (0o4755, 2_000_000_000)
    assert os.readlink(data / "link") == "/etc/passwd"
    assert not (data / "pipe").exists()
    assert os.listdir(tmp_path / "volume") == ["data"]


def test_a_folder_of_a_user_stays_that_users_and_one_of_root_is_the_volumes(tmp_path: Path, files: Path) -> None:
    assert filled(tmp_path)
    made = (tmp_path / "volume" / "data").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (0, 1000, 0o2777)
    (tmp_path / "volume" / "data").rmdir()
    os.chown(files, 999, 998)
    files.chmod(0o700)
    assert filled(tmp_path)
    made = (tmp_path / "volume" / "data").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (999, 998, 0o700)


def test_links_on_the_way_lead_inside_the_image(tmp_path: Path, files: Path) -> None:
    (files / "a").touch()
    (tmp_path / "image" / "var").symlink_to("/srv")
    (tmp_path / "image" / "out").symlink_to("../../../../../etc")
    assert filled(tmp_path, "/var/files/")
    assert os.listdir(tmp_path / "volume" / "data") == ["a"]
    (tmp_path / "volume" / "data" / "a").unlink()
    (tmp_path / "volume" / "data").rmdir()
    assert not filled(tmp_path, "/out")


def test_what_is_there_is_left_and_what_the_image_has_not_is_not_made(tmp_path: Path, files: Path) -> None:
    assert not filled(tmp_path, "/srv/other")
    (files / "a").touch()
    assert not filled(tmp_path, "/srv/files/a")
    assert os.listdir(tmp_path / "volume") == []
    (tmp_path / "volume" / "data").symlink_to("/nowhere")
    assert not filled(tmp_path)


def test_what_was_cut_off_begins_anew(tmp_path: Path, files: Path) -> None:
    (files / "a").write_text("whole")
    left = tmp_path / "volume" / UNFINISHED
    left.mkdir()
    (left / "a").write_text("ha")
    assert filled(tmp_path)
    assert (tmp_path / "volume" / "data" / "a").read_text() == "whole"
    assert os.listdir(tmp_path / "volume") == ["data"]


def test_a_copy_that_is_stopped_or_fails_leaves_nothing(tmp_path: Path, files: Path) -> None:
    (files / "a").write_text("x")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        filled(tmp_path, stop=stop)
    assert os.listdir(tmp_path / "volume") == []
    deep = files
    for _ in range(103):
        deep = deep / "d"
        os.mkdir(deep)
    with pytest.raises(OSError, match="deep") as failed:
        filled(tmp_path)
    assert failed.value.errno == errno.ELOOP
    assert os.listdir(tmp_path / "volume") == []
