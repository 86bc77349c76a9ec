"""Volumes are given to a pod's group, and nothing beside them."""

import os
import stat
from pathlib import Path

import pytest

from pilothouse.engine.node.files import ownership
from pilothouse.engine.node.files.beneath import FOLDER, open_beneath, opened
from pilothouse.engine.node.files.mountpoints import mount_memory, unmount
from pilothouse.engine.node.files.ownership import give_to_group

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
GROUP = 4321


def give(folder: Path, **more: bool) -> None:
    with opened(os.open(folder, FOLDER)) as root:
        give_to_group(root, GROUP, **more)


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_files_and_folders_of_any_depth_become_the_groups(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    deep = volume / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    (deep / "file").chmod(0o400)
    give(volume)
    assert {os.lstat(each).st_gid for each in (volume, volume / "a", deep, deep / "file")} == {GROUP}
    assert (mode(deep / "file"), mode(deep) & 0o2770) == (0o660, 0o2770)


def test_what_links_lead_to_is_left_alone(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    for folder in (volume, outside):
        folder.mkdir()
    (outside / "secret").write_text("")
    (volume / "folder").symlink_to(outside)
    (volume / "file").symlink_to(outside / "secret")
    give(volume)
    assert GROUP not in {os.stat(each).st_gid for each in (outside, outside / "secret")}


def test_a_file_system_that_is_mounted_inside_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "file").write_text("")
    mount_memory(other, "mode=700")
    try:
        give(tmp_path)
        assert (os.stat(other).st_gid, mode(other)) == (0, 0o700)
    finally:
        unmount(other)
    assert [os.stat(each).st_gid for each in (tmp_path / "file", tmp_path)] == [GROUP, GROUP]


def test_a_folder_that_has_just_become_a_link_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(folder: int, path: str, *arguments: int, **more: int) -> int:
        if path == "swapped":
            (volume / path).rmdir()
            (volume / path).symlink_to(outside)
        return open_beneath(folder, path, *arguments, **more)

    volume, outside = tmp_path / "volume", tmp_path / "outside"
    for each in (volume, volume / "swapped", outside):
        each.mkdir()
    monkeypatch.setattr(ownership, "open_beneath", swapped)
    give(volume)
    assert (os.stat(outside).st_gid, os.stat(volume).st_gid) == (0, GROUP)


def test_a_volume_that_is_the_groups_already_is_not_gone_through_again(tmp_path: Path) -> None:
    give(tmp_path)
    (tmp_path / "of-another").write_text("")
    os.chown(tmp_path / "of-another", 0, 0)
    give(tmp_path, unless_root_is=True)
    assert os.lstat(tmp_path / "of-another").st_gid == 0
    give(tmp_path)
    assert os.lstat(tmp_path / "of-another").st_gid == GROUP
