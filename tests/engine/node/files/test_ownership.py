"""Volumes are given to a pod's group, and nothing beside them."""

import os
import stat
from pathlib import Path

import pytest

from pilothouse.engine.node.files.beneath import FOLDER, opened
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


def test_a_volume_that_is_the_groups_already_is_not_gone_through_again(tmp_path: Path) -> None:
    give(tmp_path)
    (tmp_path / "of-another").write_text("")
    os.chown(tmp_path / "of-another", 0, 0)
    give(tmp_path, unless_root_is=True)
    assert os.lstat(tmp_path / "of-another").st_gid == 0
    give(tmp_path)
    assert os.lstat(tmp_path / "of-another").st_gid == GROUP
