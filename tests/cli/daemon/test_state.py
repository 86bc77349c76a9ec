import json
import os
import subprocess
from pathlib import Path

import pytest

from pilothouse.cli.daemon.roles import CONTROL
from pilothouse.cli.daemon.state import State, Steps, note_pid, running_pid
from pilothouse.cli.settings.home import Home


def test_each_step_of_a_start_can_be_read_by_another_process(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert State.load(home, CONTROL) is None
    steps = Steps(home, CONTROL)
    steps.done("made certificates")
    steps.done("opened the store")
    seen = State.load(home, CONTROL)
    assert seen is not None
    assert ([what for what, _ in seen.steps], seen.phase, seen.pid) == (["made certificates", "opened the store"], "starting", os.getpid())
    steps.enter("failed", "port 80 is taken")
    assert State.load(home, CONTROL) == steps.state


def test_a_start_goes_on_where_its_state_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder, so that writing fails for root as well")
    steps = Steps(Home(tmp_path), CONTROL)
    steps.done("opened the store")
    steps.enter("ready")
    assert (steps.state.phase, State.load(Home(tmp_path), CONTROL)) == ("ready", None)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"pid": 1}', '{"steps": [1], "pid": 1, "started": 1}', '{"steps": [], "no": 1}'])
def test_a_damaged_state_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.run.mkdir()
    (home.run / "control.json").write_text(text)
    assert State.load(home, CONTROL) is None


def test_a_state_of_before_a_restart_of_the_machine_is_as_good_as_none(tmp_path: Path) -> None:
    """Its processes may be on their way up: it would say that they are ready."""
    home = Home(tmp_path)
    Steps(home, CONTROL).enter("ready")
    stored = json.loads(CONTROL.state(home).read_text())
    CONTROL.state(home).write_text(json.dumps(stored | {"boot": "earlier"}))
    assert State.load(home, CONTROL) is None


def test_a_pid_file_names_a_process_only_while_it_is_the_same_one(tmp_path: Path) -> None:
    path = tmp_path / "run" / "x.pid"
    with subprocess.Popen(["sleep", "60"]) as child:
        note_pid(path, child.pid)
        assert running_pid(path) == child.pid
        child.kill()
    assert running_pid(path) is None


@pytest.mark.parametrize("text", ["", "x", "1", "1 2 3", "a b", '{"pid": 1}', "1 None", "[]"])
def test_a_damaged_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.pid"
    path.write_text(text)
    assert running_pid(path) is None
    assert running_pid(tmp_path / "nosuch") is None
