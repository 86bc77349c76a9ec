import json
import subprocess
import sys
from pathlib import Path

from pilothouse.platform.builds.bundle import bundle


def test_the_program_runs_on_the_standard_library_alone(tmp_path: Path) -> None:
    (tmp_path / "build.pyz").write_bytes(bundle())
    (tmp_path / "source").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM python:3\n")
    environ = {"WORKSPACE": str(tmp_path), "TERMINATION": str(tmp_path / "said")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "build.pyz", "prepare"], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "said").read_text()) == {"bases": ["python:3"]}


def test_the_program_fits_into_a_configmap() -> None:
    assert len(bundle()) < 200_000
    assert bundle() is bundle()
