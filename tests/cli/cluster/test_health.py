"""What `ph` finds out about processes that run, but do not work."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cli.cluster import waiting
from pilothouse.cli.cluster.health import of_further, problems
from pilothouse.cli.cluster.waiting import NotUp, wait_ready
from pilothouse.cli.daemon.roles import CONTROL, FURTHER, NODE, ROLES, Role
from pilothouse.cli.daemon.state import State, note_pid
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig

ANSWER_S = 0.3


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are accepted and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def home(tmp_path: Path, silent: int) -> Home:
    """An instance whose two processes run and say that they are ready."""
    made = Home(tmp_path)
    made.run.mkdir()
    Settings(api_port=silent, node_name="n").save(made)
    document = kubeconfig_file.document(Kubeconfig(server=f"http://127.0.0.1:{silent}", token="t"), "x")
    kubeconfig_file.write(made.kubeconfig, document)
    for role in ROLES:
        say(made, role, phase="ready")
        note_pid(role.pid(made), os.getpid())
    return made


def say(home: Home, role: Role, **state: object) -> None:
    State(os.getpid(), 0.0, **state).save(home, role)  # type: ignore[arg-type]


async def test_an_api_that_does_not_answer_is_named_whatever_the_files_say(home: Home, silent: int) -> None:
    (found,) = await problems(Session(home, None, False), answer_s=ANSWER_S)
    assert f"the control plane (pid {os.getpid()}) runs, but its API does not answer at https://127.0.0.1:{silent}" in found


async def test_a_process_that_is_gone_is_named_with_its_last_word(home: Home) -> None:
    say(home, NODE, phase="failed", error="no containerd")
    NODE.pid(home).unlink()
    assert await problems(Session(home, None, False), answer_s=ANSWER_S) == ["the node does not run: no containerd"]


async def test_a_process_that_is_stopped_is_named_with_the_way_on(home: Home) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        child.send_signal(signal.SIGSTOP)
        note_pid(CONTROL.pid(home), child.pid)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            (found,) = await problems(Session(home, None, False), answer_s=ANSWER_S)
        finally:
            child.kill()
    assert f"`kill -CONT {child.pid}` lets it go on" in found


def test_what_fails_again_and_again_is_said_instead_of_waited_for(home: Home) -> None:
    say(home, NODE, failing={"cluster DNS": "port 53 is taken"})
    with pytest.raises(NotUp, match="cluster DNS does not start: port 53 is taken"):
        wait_ready(home, stuck_s=0.1)


def test_what_fails_is_shown_while_it_is_waited_for(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person may be able to help: by an approval, or by ending what is in the way."""
    monkeypatch.setattr(waiting, "SHOWN_S", 0.1)
    monkeypatch.setattr(waiting, "START_DEADLINE_S", 0.5)
    say(home, NODE, failing={"node credentials": "the request csr-1 waits for somebody's approval"})
    with pytest.raises(NotUp, match="not ready after"):
        wait_ready(home)
    assert "node credentials: the request csr-1 waits for somebody's approval\n" in capsys.readouterr().err


class SlowMachine:
    """Time passes with the sleeps of who waits. 100 s are between two steps of the control plane; a part of it waits for the last."""

    def __init__(self, home: Home, steps: int) -> None:
        self.home = home
        self.steps = steps
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 10.0
        done = int(self.now // 100)
        failing = {"API for pods": "there is no such address"} if 1 <= done < 4 else {}
        phase = "ready" if done == 5 else "starting"
        say(self.home, CONTROL, phase=phase, steps=[("step", 100.0)] * min(done, self.steps), failing=failing)


def test_a_slow_machine_is_waited_for_as_long_as_it_gets_on(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = SlowMachine(home, steps=5)
    machine.sleep(0)
    monkeypatch.setattr(waiting, "time", machine)
    wait_ready(home)
    assert machine.now >= 500
    assert capsys.readouterr().err.count("this machine is slow or busy: each step of the start is waited for, 120 s at most") == 1


def test_a_start_that_does_not_get_on_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = SlowMachine(home, steps=2)
    machine.sleep(0)
    monkeypatch.setattr(waiting, "time", machine)
    with pytest.raises(NotUp, match=r"not ready after 310 s, and for 120 s no step has been done \(API for pods: there is"):
        wait_ready(home)


def test_a_process_that_ended_for_good_says_why(home: Home) -> None:
    say(home, CONTROL, phase="failed", error="the store is damaged")
    CONTROL.pid(home).unlink()
    with pytest.raises(NotUp, match="the store is damaged"):
        wait_ready(home)


def test_two_ready_processes_are_enough(home: Home) -> None:
    wait_ready(home)


def test_a_further_node_whose_process_is_gone_or_has_parts_that_fail_is_named(home: Home) -> None:
    further = Home(home.further_nodes / "2")
    further.run.mkdir(parents=True)
    Settings(server="https://172.27.0.1:6443", parent=str(home.path), node_name="n-2").save(further)
    assert of_further(home) == ["node n-2 does not run"]
    note_pid(FURTHER.pid(further), os.getpid())
    say(further, FURTHER, phase="ready")
    assert of_further(home) == []
    say(further, FURTHER, phase="ready", failing={"cluster DNS": "port 53 is taken"})
    assert of_further(home) == ["node n-2: cluster DNS does not work: port 53 is taken"]


def test_a_further_node_whose_settings_are_damaged_is_named_with_what_removes_it_alone(home: Home) -> None:
    further = Home(home.further_nodes / "2")
    further.path.mkdir(parents=True)
    further.settings.write_text("{")
    (found,) = of_further(home)
    assert found.startswith(f"node n-2: {further.settings} is damaged")
    assert found.endswith(f"`ph --home {further.path} destroy`")


async def test_a_process_that_its_supervisor_is_about_to_start_is_not_called_gone(home: Home) -> None:
    NODE.pid(home).unlink()
    note_pid(NODE.supervisor_pid(home), os.getpid())
    assert await problems(Session(home, None, False), answer_s=ANSWER_S) == ["the node is about to be started"]
