"""Ending the processes of an instance, whatever state they are in."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.aio.identity import Identity, is_held
from pilothouse.cli.cluster import service
from pilothouse.cli.daemon.roles import CONTROL
from pilothouse.cli.daemon.state import note_pid
from pilothouse.cli.settings.home import Home


@pytest.fixture
def supervisor() -> Iterator["subprocess.Popen[str]"]:
    """A shell that starts a process again whenever it ends, and says the pid of each."""
    with subprocess.Popen(["sh", "-c", "while :; do sleep 60 & echo $!; wait; done"], stdout=subprocess.PIPE, text=True) as shell:
        yield shell
        shell.kill()


def test_a_process_without_a_pid_file_is_ended_with_its_supervisor_and_not_started_again(
    tmp_path: Path, supervisor: "subprocess.Popen[str]"
) -> None:
    home = Home(tmp_path)
    note_pid(CONTROL.supervisor_pid(home), supervisor.pid)
    assert supervisor.stdout is not None
    child = Identity.of(int(supervisor.stdout.readline()))
    assert child.alive()
    assert service.stop(home) == []
    assert not child.alive()
    assert supervisor.stdout.read() == ""


def test_a_process_is_known_to_be_held_once_it_can_start_nothing_more(supervisor: "subprocess.Popen[str]") -> None:
    assert not is_held(supervisor.pid)
    service.hold(Identity.of(supervisor.pid))
    assert is_held(supervisor.pid)


def test_ending_a_supervisor_that_has_gone_is_no_error(tmp_path: Path, supervisor: "subprocess.Popen[str]") -> None:
    home = Home(tmp_path)
    note_pid(CONTROL.supervisor_pid(home), supervisor.pid)
    supervisor.kill()
    assert service.stop(home) == []
    assert not service.any_running(home)


def test_a_unit_names_the_home_as_one_word_whatever_is_in_its_path() -> None:
    lines = service.unit_text(Home(Path('/srv/my "50%" home$')), CONTROL, "/usr/bin/python3").splitlines()
    assert 'ExecStart="/usr/bin/python3" -m pilothouse.cli.daemon.control "/srv/my \\"50%%\\" home$$"' in lines
    assert 'StandardOutput=append:/srv/my "50%%" home$/log/pilothouse.log' in lines
