"""The view of a tree is bounded and never leaves it."""

from pathlib import Path

from pilothouse.platform.builds.detect import Tree
from pilothouse.platform.builds.detect.tree import MOST_BYTES


def test_links_are_followed_only_inside_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "real.txt").write_text("real")
    (tree / "inner").symlink_to("real.txt")
    (tree / "outer").symlink_to(outside)
    (tree / "dangling").symlink_to("none")
    (tree / "loop").symlink_to("loop")
    (tree / "folder").symlink_to(tmp_path)
    assert Tree.at(tree).files == ("inner", "real.txt")


def test_environments_and_histories_are_not_entered(tmp_path: Path) -> None:
    for name in (".git/config", "node_modules/x/index.js", ".venv/bin/python", "app/main.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert Tree.at(tmp_path).files == ("app/main.py",)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (MOST_BYTES + 10))
    assert len(Tree.at(tmp_path).text("big")) == MOST_BYTES


def test_a_missing_file_is_empty_text() -> None:
    assert Tree.of({"a": "1"}).text("b") == ""
