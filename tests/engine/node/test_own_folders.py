"""Paths of the machine that mean a folder of the node: as they are, below, and inside of a folder above them."""

from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.own_folders import folders_below, own_folder
from pilothouse.engine.node.volumes.mounts import container_mounts
from pilothouse.engine.node.volumes.volumes import unmount_and_remove
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec

LOGS = {"/var/log/pods": Path("/home/logs/pods"), "/var/log/containers": Path("/home/logs/containers")}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/log/pods", "/home/logs/pods"),
        ("/var/log/pods/", "/home/logs/pods"),
        ("/var/log/pods/a_b_c", "/home/logs/pods/a_b_c"),
        ("/var/log/podsy", None),
        ("/var/log", None),
    ],
)
def test_a_path_that_is_the_nodes_own_or_below_means_the_nodes_folder(path: str, found: str | None) -> None:
    assert own_folder(path, LOGS) == (None if found is None else Path(found))


def test_a_folder_above_has_the_nodes_folders_inside() -> None:
    assert dict(folders_below("/var/log", LOGS)) == {"pods": LOGS["/var/log/pods"], "containers": LOGS["/var/log/containers"]}
    assert [path for path, _ in folders_below("/", LOGS)] == ["var/log/pods", "var/log/containers"]
    assert list(folders_below("/var/log/pods", LOGS)) == list(folders_below("/var/lib", LOGS)) == []


def test_the_node_says_where_its_logs_are(tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="i")
    assert config.log_folders == {"/var/log/pods": config.logs_dir, "/var/log/containers": config.log_links_dir}


def mounts(tmp_path: Path, **mount: object) -> dict[str, tuple[str, bool]]:
    """Container path -> (path on the node, read only), of a container that mounts the folder above the node's."""
    (tmp_path / "own").mkdir(exist_ok=True)
    container = spec(volumeMounts=[{"name": "v", "mountPath": "/logs/", **mount}])
    volume: Object = {"name": "v", "hostPath": {"path": str(tmp_path / "log")}}
    wanted, owned = pod(container, volumes=[volume]), {str(tmp_path / "log" / "pods"): tmp_path / "own"}
    made = container_mounts(wanted, container, {"v": tmp_path / "log"}, {}, tmp_path / "pod", "", owned=owned)
    return {each.container_path: (each.host_path, each.readonly) for each in made.mounts if each.container_path.startswith("/logs")}


@pytest.mark.parametrize("read_only", [False, True])
def test_a_container_that_mounts_a_folder_above_sees_the_nodes_folder_inside(tmp_path: Path, read_only: bool) -> None:
    made = mounts(tmp_path, readOnly=read_only)
    assert made["/logs/pods"] == (str(tmp_path / "own"), read_only)
    assert (tmp_path / "log" / "pods").is_dir(), "a read-only mount has no room for another one without it"


def test_nothing_is_mounted_inside_where_it_would_appear_on_the_machine_or_is_not_asked_for(tmp_path: Path) -> None:
    assert list(mounts(tmp_path, mountPropagation="Bidirectional")) == ["/logs/"]
    (tmp_path / "log" / "part").mkdir(parents=True)
    try:
        assert list(mounts(tmp_path, subPath="part")) == ["/logs/"]
    finally:
        assert unmount_and_remove(tmp_path / "pod") == []


def test_what_is_no_folder_on_the_machine_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "pods").write_text("")
    assert list(mounts(tmp_path)) == ["/logs/"]
