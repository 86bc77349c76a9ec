"""What a node says that it has: no more than its pods can get."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.node import facts
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import cgroups, processors
from pilothouse.model.json import Object

MIB = 1024**2


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_is_what_the_topmost_cgroup_leaves(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    whole = facts.memory_bytes()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"{300 * MIB}\n")
    assert facts.memory_bytes() == 300 * MIB
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test")
    assert facts.allocatable(config)["memory"] == f"{270 * 1024}Ki"
    for text in ("max", str(2**63 - 4096)):
        (tmp_path / file).write_text(text)
        assert facts.memory_bytes() == whole


@pytest.mark.parametrize(("name", "text"), [("cpu.max", "250000 100000"), ("cpu/cpu.cfs_quota_us", "250000"), ("cpu.max", "50000 100000")])
def test_processors_are_no_more_than_the_topmost_cgroup_may_use(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert processors.count() == 4
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / name).write_text(text + "\n")
    assert processors.count() == max(1, int(text.split()[0]) // 100_000)
    for unlimited in ("max 100000", "-1"):
        (tmp_path / name).write_text(unlimited)
        assert processors.count() == 4


def test_processors_are_those_that_may_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert facts.capacity(NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test"))["cpu"] == "1"


def test_extended_resources_of_the_capacity_can_be_had_and_go_with_it() -> None:
    status: Object = {
        "capacity": {"cpu": "2", "example.com/gpu": "3", "attachable-volumes-csi.kubernetes.io/x": "1"},
        "allocatable": {"cpu": "2", "example.com/gpu": "1", "example.com/old": "1"},
    }
    assert facts.announced(status) == {"example.com/gpu": "3", "example.com/old": None}
    assert facts.announced({}) == {}
