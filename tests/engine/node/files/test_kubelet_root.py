"""The node's own /var/lib/kubelet: what earlier releases had elsewhere is kept, and mounts cross it both ways."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.files.kubelet_root import open_root
from pilothouse.engine.node.files.mountpoints import bind, is_shared, mount_memory, mounts_below, unmount

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def config(tmp_path: Path) -> Iterator[NodeConfig]:
    yield NodeConfig(home=tmp_path / "node", node_name="n", instance="pilothouse-test", own_folders={"/of/each": tmp_path / "own"})
    for each in mounts_below(tmp_path):
        unmount(each)


def bound(source: Path, target: Path) -> None:
    target.mkdir()
    with opened(os.open(source, os.O_PATH)) as found:
        bind(found, target)


def test_opened_again_it_is_as_it_was(config: NodeConfig) -> None:
    open_root(config)
    mount_memory(config.pods_dir, "size=4096")
    before = mounts_below(config.home)
    open_root(config)
    assert mounts_below(config.home) == before


def test_what_is_mounted_inside_appears_in_another_place_that_shares_it(config: NodeConfig, tmp_path: Path) -> None:
    open_root(config)
    bound(config.plugins_dir, tmp_path / "container")
    (config.plugins_dir / "a").mkdir()
    mount_memory(tmp_path / "container" / "a", "size=4096")
    assert str(config.plugins_dir / "a") in mounts_below(config.plugins_dir)


def test_pods_of_an_earlier_release_are_taken_over_with_their_mounts(config: NodeConfig) -> None:
    volume = config.home / "pods" / "u" / "volume"
    volume.mkdir(parents=True)
    mount_memory(volume, "size=4096")
    open_root(config)
    assert not (config.home / "pods").exists()
    assert mounts_below(config.pods_dir) == [str(config.pods_dir / "u" / "volume")]


def test_opening_it_is_for_good_and_leaves_no_mount_twice(config: NodeConfig) -> None:
    open_root(config)
    open_root(config)
    assert Path("/proc/self/mountinfo").read_text().count(f" {config.kubelet_dir} ") <= 1


def test_what_is_mounted_below_already_is_seen_all_the_time_and_once(config: NodeConfig, tmp_path: Path) -> None:
    outer = config.home / "pods" / "u" / "outer"
    outer.mkdir(parents=True)
    mount_memory(outer, "size=64k")
    (outer / "inner").mkdir()
    mount_memory(outer / "inner", "size=4096")
    (outer / "inner" / "file").touch()
    open_root(config)
    here = config.pods_dir / "u" / "outer"
    assert (here / "inner" / "file").exists()
    assert is_shared(here)
    table = Path("/proc/self/mountinfo").read_text()
    assert table.count(f" {here} ") == table.count(f" {here}/inner ") == 1
    bound(here, tmp_path / "container")
    (here / "later").mkdir()
    mount_memory(here / "later", "size=4096")
    assert str(tmp_path / "container" / "later") in mounts_below(tmp_path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/lib/kubelet", "node/kubelet"),
        ("/var/lib/kubelet/", "node/kubelet"),
        ("/var/lib/kubelet/plugins/a.test/csi.sock", "node/kubelet/plugins/a.test/csi.sock"),
        ("/of/each", "own"),
    ],
)
def test_a_path_of_the_kubelet_is_this_nodes_own(config: NodeConfig, tmp_path: Path, path: str, found: str) -> None:
    assert config.on_node(path) == tmp_path / found


@pytest.mark.parametrize("path", ["/var/lib/kubelet2", "/var/lib", "/srv/var/lib/kubelet"])
def test_other_paths_are_the_machines(config: NodeConfig, path: str) -> None:
    assert config.on_node(path) == Path(path)
