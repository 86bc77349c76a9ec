"""How much a tree of files takes, whoever writes it."""

import os
from pathlib import Path

from pilothouse.engine.node.stats import trees
from pilothouse.engine.node.stats.figures import Disk
from pilothouse.engine.node.stats.trees import measure

KIB = 1024


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def used(folder: Path) -> int:
    return sum(os.lstat(each).st_blocks for each in [folder, *folder.rglob("*")]) * 512


def test_blocks_of_files_and_folders_are_counted(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"a/b{number}/f", 100 * KIB)
    assert measure(tmp_path) == Disk(used(tmp_path), 8)


def test_a_sparse_file_takes_what_is_written_of_it(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 30)
    found = measure(tmp_path)
    assert found is not None
    assert found.used_bytes < 1 << 20


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "a", 64 * KIB)
    one = measure(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    assert measure(tmp_path) == one


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside/f", 500 * KIB)
    (tmp_path / "in").mkdir()
    before = measure(tmp_path / "in")
    (tmp_path / "in/link").symlink_to("../outside")
    after = measure(tmp_path / "in")
    assert before is not None
    assert after is not None
    assert (after.used_bytes - before.used_bytes, after.inodes - before.inodes) == (0, 1)
    (tmp_path / "self").symlink_to(tmp_path / "outside")
    assert measure(tmp_path / "self") is None


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    assert measure(tmp_path / "nosuch") is None


def test_a_walk_is_bounded_in_entries_and_depth(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path / f"f{number}", 1)
    found = measure(tmp_path, 10)
    assert found is not None
    assert found.inodes == 10


def test_a_tree_that_is_too_deep_is_counted_as_far_as_the_walk_goes(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(trees.DEEPEST + 20):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    open_before = len(os.listdir("/proc/self/fd"))
    found = measure(tmp_path)
    assert found is not None
    assert found.inodes == trees.DEEPEST + 1
    assert len(os.listdir("/proc/self/fd")) == open_before
