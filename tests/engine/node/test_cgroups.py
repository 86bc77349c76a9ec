"""Cgroups of pods where they lie: as folders of their own, or as systemd's slices."""

import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.engine.node.host import cgroups

INSTANCE, UID = "pilothouse-ab12", "1f0e-22"


@pytest.fixture(params=["plain", "systemd"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version 2 hierarchy with one pod of the instance, one of another's, and slices of the system."""
    monkeypatch.setattr(cgroups, "has_systemd_v2", lambda: request.param == "systemd")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (tmp_path,))
    if request.param == "systemd":
        names = ["pilothouse_ab12.slice/pilothouse_ab12-pod1f0e_22.slice/c.scope", "pilothouse.slice/pilothouse-pod9.slice", "system.slice"]
    else:
        names = [f"{INSTANCE}/pod{UID}/c", "pilothouse/pod9"]
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_the_pods_of_an_instance_are_found(tree: Path) -> None:
    assert cgroups.pods(INSTANCE) == {UID}
    assert cgroups.pods("pilothouse-other") == set()


def test_a_pods_cgroup_is_removed_and_no_other(tree: Path) -> None:
    cgroups.remove(cgroups.pod_parent(INSTANCE, UID))
    assert cgroups.pods(INSTANCE) == set()
    assert cgroups.pods("pilothouse") == {"9"}


def test_every_process_of_an_instance_is_killed(tree: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as ours:
        inside = next(each for each in tree.rglob("*") if each.name in ("c", "c.scope"))
        (inside / "cgroup.procs").write_text(f"{ours.pid}\n")
        assert cgroups.kill(cgroups.instance_parent(INSTANCE)) == {ours.pid}
        assert ours.wait(10) == -9
    assert cgroups.kill(cgroups.instance_parent("pilothouse-other")) == set()
