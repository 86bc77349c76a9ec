"""Versions that a tree asks for come from a registry where one answers."""

from pathlib import Path

import pytest

from pilothouse.cli.apps.detection import detected
from pilothouse.platform.builds.detect import CannotDetect, Tree

TREE = Tree.of(
    {
        "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.14"\ndependencies = ["flask"]\n',
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
    }
)


def skopeo(folder: Path, status: int) -> None:
    """A program of that name which tells that a registry answers, or does not."""
    program = folder / "skopeo"
    program.write_text(f"#!/bin/sh\necho called >>{folder}/calls\nexit {status}\n")
    program.chmod(0o755)


def test_a_version_that_no_stand_in_has_comes_from_a_registry_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skopeo(tmp_path, 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert detected(TREE, None).dockerfile.startswith("FROM python:3.14-slim")


def test_without_a_registry_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skopeo(tmp_path, 1)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CannotDetect, match=r"asks for Python >=3\.14"):
        detected(TREE, None)


def test_no_registry_is_asked_when_a_stand_in_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skopeo(tmp_path, 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    detected(Tree.of({"requirements.txt": "flask", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}), None)
    assert not (tmp_path / "calls").exists()
