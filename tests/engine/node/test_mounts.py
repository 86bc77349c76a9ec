"""What is mounted into a container and how."""

from pathlib import Path

import pytest

from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.volumes.mounts import container_mounts
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec


def mounted(tmp_path: Path, volume: Object, **mount: object) -> dict[str, bool]:
    """Container path -> read only."""
    container = spec(volumeMounts=[{"name": "v", "mountPath": "/v", **mount}])
    wanted = pod(container, volumes=[{"name": "v", **volume}])
    made = container_mounts(wanted, container, {"v": tmp_path}, {}, tmp_path / "pod", "")
    return {each.container_path: each.readonly for each in made.mounts}


@pytest.mark.parametrize("kind", ["configMap", "secret", "projected", "downwardAPI"])
def test_what_the_node_writes_is_read_only_whatever_the_mount_says(tmp_path: Path, kind: str) -> None:
    assert mounted(tmp_path, {kind: {}}, readOnly=False)["/v"]


def test_other_volumes_are_as_the_mount_says(tmp_path: Path) -> None:
    assert not mounted(tmp_path, {"emptyDir": {}})["/v"]
    assert mounted(tmp_path, {"emptyDir": {}}, readOnly=True)["/v"]


def test_hosts_file_and_message_file_give_way_to_mounts_of_the_same_path(tmp_path: Path) -> None:
    assert set(mounted(tmp_path, {"emptyDir": {}}, mountPath="/etc/hosts")) == {"/etc/hosts", "/dev/termination-log"}


def test_a_volume_that_is_not_there_is_named(tmp_path: Path) -> None:
    container = spec(volumeMounts=[{"name": "v", "mountPath": "/v"}])
    with pytest.raises(ConfigMissing, match='cannot find volume "v" to mount'):
        container_mounts(pod(container), container, {}, {}, tmp_path, "")


def test_a_container_that_starts_again_and_again_leaves_a_few_files_only(tmp_path: Path) -> None:
    for _ in range(10):
        mounted(tmp_path, {"emptyDir": {}})
    assert len(list((tmp_path / "pod" / "containers" / "main").iterdir())) == 5


def test_a_hosts_file_that_a_container_has_made_huge_is_written_anew_and_not_read(tmp_path: Path) -> None:
    mounted(tmp_path, {"emptyDir": {}})
    hosts = tmp_path / "pod" / "etc-hosts"
    with hosts.open("r+b") as file:
        # Sparse: more than any machine's memory, and nothing on the disk.
        file.truncate(1 << 42)
    mounted(tmp_path, {"emptyDir": {}})
    assert hosts.read_bytes() == b""


def test_a_hosts_file_that_a_container_has_written_other_bytes_to_is_written_anew(tmp_path: Path) -> None:
    container = spec()
    for left in (b"\xff\xfe\xfd", b"abc"):
        container_mounts(pod(container), container, {}, {}, tmp_path, "1 a")
        (tmp_path / "etc-hosts").write_bytes(left)
        container_mounts(pod(container), container, {}, {}, tmp_path, "1 a")
        assert (tmp_path / "etc-hosts").read_bytes() == b"1 a"
