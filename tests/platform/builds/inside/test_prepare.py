import json
from pathlib import Path

import pytest

from pilothouse.platform.builds.inside.prepare import MTIME, prepare
from pilothouse.platform.builds.outcome import read_prepared


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "source/.git").mkdir(parents=True)
    (tmp_path / "source/app.py").touch()
    (tmp_path / "Dockerfile").write_text("ARG V\nFROM python:$V\n")
    return {"WORKSPACE": str(tmp_path), "TERMINATION": str(tmp_path / "said"), "BUILD_ARGS": json.dumps({"V": "3"})}


def test_the_base_images_are_left_as_the_termination_message(environ: dict[str, str], tmp_path: Path) -> None:
    assert prepare(environ, []) == 0
    found = read_prepared((tmp_path / "said").read_text())
    assert found is not None
    assert found.bases == ("python:3",)
    assert (tmp_path / "source/.git").is_dir()


def test_the_stage_that_is_asked_for_is_the_last_one_of_what_is_built(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a AS one\nRUN x\nFROM b\n")
    assert prepare(environ | {"TARGET": "One"}, []) == 0
    found = read_prepared((tmp_path / "said").read_text())
    assert found is not None
    assert found.bases == ("a",)
    assert (tmp_path / "Dockerfile").read_text() == "FROM a AS one\nRUN x\n"


def test_a_stage_that_is_not_there_fails_the_build_with_those_that_are(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a AS one\nFROM b AS two\n")
    assert prepare(environ | {"TARGET": "prod"}, []) == 1
    assert "no stage prod; its stages are: one, two" in (tmp_path / "said").read_text()


def test_a_checkout_loses_its_history_and_its_times(environ: dict[str, str], tmp_path: Path) -> None:
    assert prepare(environ | {"GIT_URL": "https://x/y"}, []) == 0
    assert not (tmp_path / "source/.git").exists()
    assert (tmp_path / "source/app.py").stat().st_mtime == MTIME


def test_a_source_that_cannot_be_read_is_said(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").unlink()
    assert prepare(environ, []) == 1
    assert (tmp_path / "said").read_text().startswith("the source cannot be prepared: ")
