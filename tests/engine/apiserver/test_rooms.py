"""Who may write: everything that clients send goes the write path, so that no check can be forgotten."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pilothouse.engine import apiserver

ROOT = Path(apiserver.__file__).parent
WRITERS = ("write", "upkeep", "bootstrap", "authz/aggregation.py")
"""Beside the write path: reconcilers, and the start, when there is no server yet that could be asked."""


def writes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("create", "update", "delete"):
            owner = ast.unparse(node.func.value)
            if owner.rpartition(".")[2].lstrip("_") in ("store", "storage"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_only_the_write_path_and_reconcilers_write() -> None:
    others = [path for path in ROOT.rglob("*.py") if not path.relative_to(ROOT).as_posix().startswith(WRITERS)]
    assert [place for path in others for place in writes(path)] == []


def test_the_write_path_is_found() -> None:
    assert list(writes(ROOT / "write/storage.py"))
