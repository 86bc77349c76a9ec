"""Ending the processes of an instance, whatever state they are in."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.aio.identity import Identity, is_held
from pilothouse.cli.cluster import draining, service
from pilothouse.cli.daemon.roles import CONTROL, FURTHER, NODE
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


def test_the_node_stops_before_the_control_plane_and_ends_its_pods_when_the_machine_shuts_down(tmp_path: Path) -> None:
    home = Home(tmp_path)
    control, node = (service.unit_text(home, role, "/usr/bin/python3").splitlines() for role in (CONTROL, NODE))
    assert f"After=network.target dbus.service {service.unit_name(home, CONTROL)}" in node
    (leaving,) = [line for line in node if line.startswith("ExecStop=")]
    assert "draining" in leaving
    assert not [line for line in control if line.startswith("ExecStop=")]
    (limit,) = [float(line.partition("=")[2]) for line in node if line.startswith("TimeoutStopSec=")]
    assert limit > draining.MACHINE_S + draining.MORE_S


def test_a_further_node_stops_before_the_control_plane_of_its_instance(tmp_path: Path) -> None:
    home = Home(tmp_path)
    further = Home(home.further_nodes / "2")
    unit = service.unit_text(further, FURTHER, "/usr/bin/python3")
    assert f"After=network.target dbus.service {service.unit_name(home, CONTROL)}\n" in unit
    assert f'draining \\"$$1\\"" "/usr/bin/python3" "{further.path}"' in unit


@pytest.mark.parametrize(("state", "drained"), [("stopping", True), ("running", False), ("degraded", False)])
def test_only_a_machine_that_shuts_down_ends_pods(tmp_path: Path, state: str, drained: bool) -> None:
    """The unit's command, as systemd hands it to the shell; systemctl and Python are played."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, text in (("systemctl", f"echo {state}"), ("python", f'echo "$@" > {tmp_path}/asked')):
        (bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin / name).chmod(0o755)
    (line,) = [line for line in service.unit_text(Home(tmp_path), NODE, str(bin / "python")).splitlines() if line.startswith("ExecStop=")]
    words = shlex.split(line.removeprefix("ExecStop=-").replace("$$", "$"))
    subprocess.run(words, check=True, env={"PATH": f"{bin}:/usr/bin:/bin"})
    asked = tmp_path / "asked"
    assert asked.exists() == drained
    if drained:
        assert asked.read_text().split() == ["-m", "pilothouse.cli.cluster.draining", str(tmp_path)]


def test_the_logs_are_nobody_elses_from_the_first_line_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(service, "has_systemd", lambda: False)
    monkeypatch.setattr(service, "_supervise", lambda home, role: started.append(role.name))
    home = Home(tmp_path)
    home.log.mkdir()
    home.node_log.write_text("of an earlier version")
    service.start(home)
    assert started == ["control", "node"]
    assert {each.name: each.stat().st_mode & 0o777 for each in home.log.iterdir()} == {"pilothouse.log": 0o640, "node.log": 0o640}
    assert home.node_log.read_text() == "of an earlier version"


def test_units_get_the_variables_that_builds_need_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin, home = tmp_path / "bin", Home(tmp_path / "home")
    for folder in (bin, home.run):
        folder.mkdir(parents=True)
    (bin / "systemctl").write_text("#!/bin/sh\n")
    (bin / "systemctl").chmod(0o755)
    monkeypatch.setattr(service, "UNITS", tmp_path)
    monkeypatch.setattr("os.environ", {"PATH": str(bin), "HTTPS_PROXY": "http://me:50%$x@proxy", "PIP_CERT": '/a "b"', "TOKEN": "secret"})
    service._start_unit(home, CONTROL)
    assert home.environment.read_text() == 'HTTPS_PROXY="http://me:50%\\$x@proxy"\nPIP_CERT="/a \\"b\\""\n'
    assert home.environment.stat().st_mode & 0o777 == 0o600
    assert f"EnvironmentFile=-{home.environment}" in (tmp_path / service.unit_name(home, CONTROL)).read_text().splitlines()
