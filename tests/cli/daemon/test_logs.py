"""Logs stay bounded, and whoever writes them does not notice."""

import subprocess
import sys
from pathlib import Path

from pilothouse.cli.daemon.logs import put_aside


def test_a_log_that_has_grown_is_put_aside_and_written_on(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.touch(mode=0o600)
    with path.open("a") as log:
        log.write("old\n" * 100)
        log.flush()
        assert put_aside(path, 100)
        log.write("new\n")
    assert path.read_text() == "new\n"
    aside = tmp_path / "x.log.1"
    assert aside.read_text() == "old\n" * 100
    assert aside.stat().st_mode & 0o777 == 0o600


def test_a_small_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert not put_aside(path, 100)
    path.write_text("few")
    assert not put_aside(path, 100)
    assert list(tmp_path.iterdir()) == [path]


def test_who_logs_on_a_full_disk_goes_on() -> None:
    program = (
        "from pilothouse.cli.daemon.logs import configure; import structlog; configure(); structlog.get_logger('x').error('y' * 20_000)"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", f"{program}; print('alive')"], stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.stdout == b"alive\n"
