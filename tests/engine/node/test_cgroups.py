"""Cgroups of pods where they lie: as folders of their own, or as systemd's slices."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from pilothouse.engine.node.host import cgroups, io_limits, pod_limits, slices
from pilothouse.model.io_limits import IoLimits

INSTANCE, UID = "pilothouse-ab12", "1f0e-22"
SLICE = "pilothouse_ab12-pod1f0e_22.slice"
# Plays systemd: says what it was asked, and a slice that is stopped loses its folder, as one does that holds nothing.
SYSTEMCTL = """#!/bin/sh
echo "$@" >>{asked}
[ "$1" = stop ] || exit 0
find {root} -name "$2" -type d -prune -exec sh -c 'find "$1" -depth -type d -exec rmdir {{}} \\;' sh {{}} \\;
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl is asked, a line each; there is no such file while it is asked nothing."""
    bin, file = tmp_path / "bin", tmp_path / "asked"
    bin.mkdir()
    (bin / "systemctl").write_text(SYSTEMCTL.format(asked=file, root=tmp_path / "cgroup"))
    (bin / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:/usr/bin:/bin")
    monkeypatch.setattr(slices, "RUN", tmp_path / "run")
    return file


only_systemd = pytest.mark.parametrize("tree", ["systemd"], indirect=True)


@pytest.fixture(params=["plain", "systemd"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Path) -> Path:
    """A version 2 hierarchy with one pod of the instance, one of another's, and slices of the system."""
    root = tmp_path / "cgroup"
    monkeypatch.setattr(cgroups, "ROOT", root)
    monkeypatch.setattr(cgroups, "is_v2", lambda: True)
    monkeypatch.setattr(cgroups, "has_systemd_v2", lambda: request.param == "systemd")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (root,))
    if request.param == "systemd":
        names = [f"pilothouse_ab12.slice/{SLICE}/c.scope", "pilothouse.slice/pilothouse-pod9.slice", "system.slice"]
    else:
        names = [f"{INSTANCE}/pod{UID}/c", "pilothouse/pod9"]
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def test_containers_end_as_a_whole_when_they_are_out_of_memory_where_the_kernel_can_do_that(tmp_path: Path) -> None:
    assert cgroups.of_containers(tmp_path) == {}
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    assert cgroups.of_containers(tmp_path) == {}
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    assert cgroups.of_containers(tmp_path) == {"memory.oom.group": "1"}


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


def test_a_pod_is_cleared_of_what_no_runtime_knows(tree: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as ours:
        inside = next(each for each in tree.rglob("*") if each.name in ("c", "c.scope"))
        (inside / "cgroup.procs").write_text(f"{ours.pid}\n")
        kernel = Thread(target=lambda: (ours.wait(), (inside / "cgroup.procs").unlink()))
        kernel.start()
        assert cgroups.clear(cgroups.pod_parent(INSTANCE, UID)) == {ours.pid}
        kernel.join()
    assert cgroups.pods(INSTANCE) == set()


def test_pods_that_the_runtime_has_lost_are_ended_and_no_others(tree: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as ours:
        inside = next(each for each in tree.rglob("*") if each.name in ("c", "c.scope"))
        (inside / "cgroup.procs").write_text(f"{ours.pid}\n")
        assert cgroups.kill_strays(INSTANCE, {UID}) == {}
        assert ours.poll() is None
        assert cgroups.kill_strays(INSTANCE, {"other"}) == {UID: {ours.pid}}
        assert ours.wait(10) == -9


def test_a_cgroup_that_stays_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "CLEARED_S", 0.05)
    next(each for each in tree.rglob("*") if each.name in ("c", "c.scope")).joinpath("cgroup.procs").write_text("")
    with pytest.raises(OSError, match=r"cgroup pilothouse.*1f0e.22.* cannot be removed"):
        cgroups.clear(cgroups.pod_parent(INSTANCE, UID))


def test_the_kernel_is_asked_to_kill_what_is_being_forked_too(tree: Path) -> None:
    folder = tree / cgroups.folder_of(cgroups.pod_parent(INSTANCE, UID))
    (folder / "cgroup.kill").write_text("")
    cgroups.kill(cgroups.pod_parent(INSTANCE, UID))
    assert (folder / "cgroup.kill").read_text() == "1"


@only_systemd
def test_a_pods_weight_is_in_its_slices_file_before_the_slice_is_there(tree: Path, asked: Path) -> None:
    name = cgroups.pod_parent(INSTANCE, "new")
    cgroups.weigh(name, 1945)
    lines = slices.unit_file(name).read_text().splitlines()
    assert {"DefaultDependencies=no", "StopWhenUnneeded=yes", "CPUWeight=75"} <= set(lines)
    assert "DefaultDependencies=no" in slices.unit_file(cgroups.instance_parent(INSTANCE)).read_text()
    assert not asked.exists()
    assert cgroups.pods(INSTANCE) == {UID, "new"}


@only_systemd
def test_limits_of_a_pod_as_a_whole_join_its_weight(tree: Path, asked: Path) -> None:
    (tree / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    name = cgroups.pod_parent(INSTANCE, "new")
    cgroups.weigh(name, 102)
    pod_limits.limit(name, 255, 64 * 1024**2)
    pod_limits.limit(name, 0, 0)
    section = slices.unit_file(name).read_text().partition("[Slice]\n")[2]
    assert section.split() == ["CPUWeight=4", "CPUQuota=25.50%", "CPUQuotaPeriodSec=100000us", "MemoryMax=67108864"]
    assert not asked.exists()


@only_systemd
def test_a_limit_that_the_kernel_cannot_keep_is_refused(tree: Path) -> None:
    (tree / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(OSError, match="the limit of the pod cannot be set: this kernel has no memory controller"):
        pod_limits.limit(cgroups.pod_parent(INSTANCE, UID), 250, 64 * 1024**2)


@only_systemd
def test_systemd_is_told_of_what_changes_in_a_slice_that_is_active(tree: Path, asked: Path, tmp_path: Path) -> None:
    cgroups.weigh(SLICE, 102)
    kept = tmp_path / "run/system.control" / f"{SLICE}.d"
    kept.mkdir(parents=True)
    cgroups.weigh(SLICE, 1945)
    cgroups.weigh(SLICE, 1945)
    told = [f"set-property --runtime {SLICE} CPUWeight={weight}" for weight in (4, 75)]
    assert asked.read_text().splitlines() == told
    assert not kept.exists()
    assert "CPUWeight=75" in slices.unit_file(SLICE).read_text()


@only_systemd
def test_a_weight_that_systemd_refuses_keeps_no_pod_from_running(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\necho 'no bus' >&2\nexit 1\n")
    cgroups.weigh(SLICE, 102)
    (tree / "cgroup.controllers").write_text("cpu memory\n")
    with pytest.raises(OSError, match=r"set-property .* failed: no bus"):
        pod_limits.limit(SLICE, 250, 0)


@only_systemd
def test_an_instance_takes_the_files_of_all_its_slices_with_it(tree: Path, asked: Path, tmp_path: Path) -> None:
    for name in (SLICE, cgroups.pod_parent(INSTANCE, "new"), cgroups.pod_parent("pilothouse-ab1", "other")):
        cgroups.weigh(name, 102)
    asked.unlink()
    cgroups.clear(cgroups.instance_parent(INSTANCE))
    assert asked.read_text().splitlines() == ["stop pilothouse_ab12.slice"]
    left = sorted(path.name for path in (tmp_path / "run/system").iterdir())
    assert left == ["pilothouse_ab1-podother.slice", "pilothouse_ab1.slice"]


DEVICE, OTHER = os.makedev(7, 3), os.makedev(7, 12)
LIMITS = {DEVICE: IoLimits(500, 20 << 20), OTHER: IoLimits(0, 1 << 20)}


def test_a_pod_is_limited_as_a_whole_on_version_2(tree: Path, asked: Path, tmp_path: Path) -> None:
    (tree / "cgroup.subtree_control").touch()
    io_limits.give(cgroups.pod_parent(INSTANCE, UID), {DEVICE: LIMITS[DEVICE]})
    if asked.exists():
        told = asked.read_text()
        assert "IOWriteBandwidthMax= IOWriteBandwidthMax=/dev/block/7:3 20971520" in told
        assert "IOReadIOPSMax=/dev/block/7:3 500" in told
    else:
        assert (tree / INSTANCE / f"pod{UID}" / "io.max").read_text() == "7:3 rbps=20971520 wbps=20971520 riops=500 wiops=500"


@only_systemd
def test_a_slice_keeps_a_line_for_each_device_and_what_it_had_before(tree: Path, asked: Path, tmp_path: Path) -> None:
    slices.give(SLICE, {"CPUWeight": "20"}, active=False)
    io_limits.give(SLICE, LIMITS)
    lines = slices.unit_file(SLICE).read_text().splitlines()
    assert "CPUWeight=20" in lines
    assert [each for each in lines if each.startswith("IOWriteIOPSMax")] == [
        "IOWriteIOPSMax=",
        "IOWriteIOPSMax=/dev/block/7:3 500",
        "IOWriteIOPSMax=/dev/block/7:12 infinity",
    ]
    asked.unlink()
    io_limits.give(SLICE, LIMITS)
    assert not asked.exists()  # Nothing is other than it was.


def test_each_container_is_limited_on_version_1_also_one_that_is_about_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "is_v2", lambda: False)
    monkeypatch.setattr(cgroups, "has_systemd_v2", lambda: False)
    parent = cgroups.pod_parent(INSTANCE, UID)
    for container in ("c1", "c2"):
        io_limits.prepare(parent, container)
    io_limits.give(parent, {DEVICE: LIMITS[OTHER]})
    for container in ("c1", "c2"):
        folder = tmp_path / "blkio" / INSTANCE / f"pod{UID}" / container
        assert (folder / "blkio.throttle.write_bps_device").read_text() == "7:3 1048576"
        assert (folder / "blkio.throttle.read_iops_device").read_text() == "7:3 0"


def test_a_kernel_without_a_controller_of_io_is_told_of(tree: Path) -> None:
    (tree / "cgroup.controllers").write_text("cpu memory\n")
    assert "no controller of I/O" in io_limits.trouble()
    (tree / "cgroup.controllers").write_text("cpu io memory\n")
    assert io_limits.trouble() == ""


def test_a_limit_that_the_kernel_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"the limit of a volume's I/O cannot be set: blkio\.throttle\.read_bps_device"):
        io_limits.write_v1(tmp_path / "gone", {DEVICE: LIMITS[DEVICE]})
