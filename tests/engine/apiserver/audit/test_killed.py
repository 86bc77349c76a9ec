"""What a kill -9 takes from the log: what nobody waited for and was younger than the pause between two writes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilothouse.cli.audit.reading import Trail
from pilothouse.engine.apiserver.audit.log import PAUSE_S

ALLOWANCE_S = 1.0
"""For a busy machine, beyond the pause."""


@pytest.mark.parametrize("after_s", [0.5, 1.3])
def test_only_the_last_moment_is_lost(tmp_path: Path, after_s: float) -> None:
    command = [sys.executable, "-m", "tests.engine.apiserver.audit.endless", str(tmp_path / "audit")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        until = time.time() + after_s
        while time.time() < until:
            said.append(writer.stdout.readline())
        writer.kill()
        killed = time.time()
        said += writer.stdout.readlines()
    trail = Trail(tmp_path / "audit")
    found = [(event["kind"], event["number"]) for event in trail.events() if event is not None]
    assert len(found) == len(set(found))
    puts = [number for kind, number in found if kind == "put"]
    assert puts == list(range(len(puts)))
    for kind, number, at in (line.split() for line in said if line.endswith("\n")):
        if kind == "written" or float(at) < killed - PAUSE_S - ALLOWANCE_S:
            assert (kind, int(number)) in set(found)
    assert trail.unreadable <= 1
