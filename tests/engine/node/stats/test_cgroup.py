"""What a pod's cgroup says, in the files of both versions."""

from pathlib import Path

import pytest

from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.stats import cgroup
from pilothouse.engine.node.stats.figures import Cpu, Memory, Throttling

STAT_V1 = "cache 50\ntotal_inactive_file 300\ntotal_rss 200\ntotal_pgfault 7\ntotal_pgmajfault 1\ntotal_cache 400\n"
STAT_V2 = "anon 200\nfile 400\ninactive_file 300\npgfault 7\npgmajfault 1\nslab_thing x\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(params=[1, 2])
def version(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A pod's cgroup in a hierarchy of this version."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "is_v2", lambda: request.param == 2)
    if request.param == 2:
        folder = tmp_path / "inst/podu"
        write(folder / "cpu.stat", "usage_usec 5\nuser_usec 3\n")
        write(folder / "memory.current", "1000\n")
        write(folder / "memory.max", "2000\n")
        write(folder / "memory.stat", STAT_V2)
        write(folder / "pids.current", "4\n")
        write(folder / "box/cgroup.procs", "42\n43\n")
    else:
        write(tmp_path / "cpuacct/inst/podu/cpuacct.usage", "5000\n")
        folder = tmp_path / "memory/inst/podu"
        write(folder / "memory.usage_in_bytes", "1000\n")
        write(folder / "memory.limit_in_bytes", "2000\n")
        write(folder / "memory.stat", STAT_V1)
        write(tmp_path / "pids/inst/podu/pids.current", "4\n")
        write(folder / "box/cgroup.procs", "42\n43\n")
    return int(request.param)


def test_both_versions_say_the_same(version: int) -> None:
    found = cgroup.used("/inst/podu")
    assert found == cgroup.Used(Cpu(5000), Memory(1000, 700, 1300, 200, 7, 1, 400), 4)


def test_without_a_limit_nothing_is_said_to_be_available(version: int, tmp_path: Path) -> None:
    path, text = ("inst/podu/memory.max", "max\n") if version == 2 else ("memory/inst/podu/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / path, text)
    found = cgroup.used("/inst/podu").memory
    assert found is not None
    assert found.available_bytes is None


def test_a_pod_without_a_cgroup_is_not_known(version: int) -> None:
    assert cgroup.used("/inst/podx") == cgroup.Used(None, None, None)
    assert cgroup.any_process("/inst/podx", "box") == ""


def test_a_process_of_the_sandbox_shows_the_pods_network(version: int) -> None:
    assert cgroup.any_process("/inst/podu", "box") == "42"


def test_slices_of_systemd_lie_in_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "is_v2", lambda: True)
    write(tmp_path / "a_b.slice/a_b-podu.slice/pids.current", "9\n")
    write(tmp_path / "a_b.slice/a_b-podu.slice/cri-containerd-box.scope/cgroup.procs", "7\n")
    assert cgroup.used("a_b-podu.slice").processes == 9
    assert cgroup.any_process("a_b-podu.slice", "box") == "7"


def test_a_container_with_a_cpu_limit_shows_how_often_it_waited(version: int, tmp_path: Path) -> None:
    folder = tmp_path / ("inst/podu/c1" if version == 2 else "cpu/inst/podu/c1")
    waited = "throttled_usec 5" if version == 2 else "throttled_time 5000"
    write(folder / "cpu.stat", f"nr_periods 10\nnr_throttled 3\n{waited}\n")
    assert cgroup.throttling("/inst/podu", "c1") == Throttling(10, 3, 5000)
    write(folder / "cpu.stat", "nr_periods 0\n")
    assert cgroup.throttling("/inst/podu", "c1") is None


def test_what_a_container_may_use_is_what_a_node_in_it_has(version: int, tmp_path: Path) -> None:
    machine = Memory(50_000, 40_000, 60_000)
    assert cgroup.topmost(machine, 100_000) == (machine, 100_000)
    top = tmp_path if version == 2 else tmp_path / "memory"
    names = ("memory.current", "memory.max") if version == 2 else ("memory.usage_in_bytes", "memory.limit_in_bytes")
    for name, text in zip((*names, "memory.stat"), ("1000", "2000", STAT_V2 if version == 2 else STAT_V1), strict=True):
        write(top / name, text)
    found, capacity = cgroup.topmost(machine, 100_000)
    assert (found.working_set_bytes, found.available_bytes, capacity) == (700, 1300, 2000)
    assert cgroup.topmost(machine, 1500) == (machine, 1500)
