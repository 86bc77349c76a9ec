"""The shell supervisor: when it starts a command again, how soon, and when it gives up."""

import resource
import subprocess
import time
from importlib import resources
from pathlib import Path

import pytest

SCRIPT = str(resources.files("pilothouse.cli").joinpath("supervise.sh"))


def supervise(folder: Path, body: str, timeout_s: float = 20) -> int:
    """Run the supervisor over a shell command; $n counts its runs."""
    command = folder / "command"
    command.write_text(f"echo run >> {folder}/runs; n=$(wc -l < {folder}/runs); {body}")
    words = ["/bin/sh", SCRIPT, f"{folder}/log", f"{folder}/state", f"{folder}/worked", "/bin/sh", str(command)]
    return subprocess.run(words, check=False, timeout=timeout_s).returncode


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines())


@pytest.mark.parametrize("code", [0, 78])
def test_a_command_that_ends_for_good_is_not_started_again(tmp_path: Path, code: int) -> None:
    assert supervise(tmp_path, f"touch {tmp_path}/state; exit {code}") == code
    assert runs(tmp_path) == 1


def test_a_command_that_cannot_even_begin_is_not_started_again(tmp_path: Path) -> None:
    assert supervise(tmp_path, "exit 3") == 3
    assert runs(tmp_path) == 1


def test_a_command_that_had_worked_is_started_again_almost_at_once_however_often(tmp_path: Path) -> None:
    began = time.monotonic()
    body = f"touch {tmp_path}/state {tmp_path}/worked; [ $n -lt 6 ] || exit 0; exit 1"
    assert supervise(tmp_path, body) == 0
    assert runs(tmp_path) == 6
    assert time.monotonic() - began < 15  # growing pauses would take 26 s


def test_a_command_that_never_works_is_started_again_later_each_time(tmp_path: Path) -> None:
    began = time.monotonic()
    assert supervise(tmp_path, f"touch {tmp_path}/state; [ $n -lt 4 ] || exit 0; exit 1") == 0
    assert time.monotonic() - began > 0.2 + 1.2 + 3.2


def test_a_command_that_worked_once_and_cannot_begin_any_more_is_started_again_later_each_time(tmp_path: Path) -> None:
    began = time.monotonic()
    body = f"[ $n -gt 1 ] || touch {tmp_path}/state {tmp_path}/worked; [ $n -lt 4 ] || exit 0; exit 1"
    assert supervise(tmp_path, body) == 0
    assert time.monotonic() - began > 0.2 + 1.2 + 3.2 - 1.0


def test_what_it_keeps_running_may_open_as_many_files_as_the_machine_lets_it(tmp_path: Path) -> None:
    script = f'ulimit -Sn 64; exec sh {SCRIPT} {tmp_path}/log {tmp_path}/state {tmp_path}/worked sh -c "ulimit -Sn >{tmp_path}/limit"'
    subprocess.run(["sh", "-c", script], check=True, timeout=20)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    given = (tmp_path / "limit").read_text().strip()
    assert given == "unlimited" or int(given) >= min(hard, 1048576) > 64
