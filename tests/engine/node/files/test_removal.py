"""Removing trees that were written by strangers."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.node.files.mountpoints import bind, mounts_below, unmount
from pilothouse.engine.node.files.removal import remove_tree

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def test_a_tree_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    os.mkfifo(tree / "a" / "b" / "pipe")
    assert remove_tree(tree) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    assert remove_tree(tmp_path / "none") == []
    assert remove_tree(tmp_path / "no" / "parent") == []


def test_links_go_and_what_they_lead_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(tmp_path / "kept")
    assert remove_tree(tree) == []
    assert (tmp_path / "kept" / "file").exists()


def test_depth_costs_neither_memory_nor_open_files(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert remove_tree(tree) == []
    assert list(tmp_path.iterdir()) == []


@root_only
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_mount_inside_is_named_and_left_alone(tmp_path: Path, is_folder: bool) -> None:
    kept, tree = tmp_path / "kept", tmp_path / "tree"
    kept.mkdir()
    (kept / "file").write_text("x")
    point = tree / "deep" / "point"
    point.parent.mkdir(parents=True)
    if is_folder:
        point.mkdir()
    else:
        point.touch()
    source = os.open(kept if is_folder else kept / "file", os.O_PATH)
    bind(source, point)
    os.close(source)
    try:
        left = remove_tree(tree)
        assert len(left) >= 1
        assert "point" in " ".join(left) or "another mount" in " ".join(left)
        assert (kept / "file").read_text() == "x"
    finally:
        for mounted in mounts_below(tmp_path):
            unmount(mounted)
    assert remove_tree(tree) == []


@root_only
def test_mount_points_are_found_whatever_letters_their_path_has(tmp_path: Path) -> None:
    folder = tmp_path / "häuser am see\t\\ü"
    folder.mkdir()
    descriptor = os.open(folder, os.O_PATH)
    bind(descriptor, folder)
    os.close(descriptor)
    found = mounts_below(tmp_path)
    unmount(folder)
    assert found == [str(folder)]
    assert mounts_below(tmp_path) == []
