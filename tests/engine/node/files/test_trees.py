"""Read-only copies of mounted trees."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.files.mountpoints import mount_memory, mounts_below, unmount
from pilothouse.engine.node.files.trees import copy
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.volumes.mounts import container_mounts
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A folder that is shared with other mount namespaces, as a system's own are, with a file system mounted in it."""
    folder = tmp_path / "volume"
    folder.mkdir()
    mount_memory(folder, "mode=755")
    subprocess.run(["mount", "--make-shared", folder], check=True)
    (folder / "below").mkdir()
    mount_memory(folder / "below", "mode=755")
    yield folder
    for mounted in mounts_below(tmp_path):
        unmount(mounted)


def copied(volume: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    with opened(os.open(volume, os.O_PATH)) as source:
        copy(source, target, read_only=True)
    return target


def refuses_writing(folder: Path) -> bool:
    try:
        (folder / "file").write_text("x")
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def test_nothing_can_be_written_to_a_copy_or_to_what_is_mounted_in_it(volume: Path, tmp_path: Path) -> None:
    made = copied(volume, tmp_path / "copy")
    assert refuses_writing(made)
    assert refuses_writing(made / "below")
    (volume / "below" / "other").write_text("x")
    assert (made / "below" / "other").read_text() == "x"


def test_a_copy_goes_without_a_trace_in_the_original(volume: Path, tmp_path: Path) -> None:
    made = copied(volume, tmp_path / "copy")
    for mounted in mounts_below(made):
        unmount(mounted)
    assert mounts_below(made) == []
    assert os.path.ismount(volume / "below")


def mounted(tmp_path: Path, volume: Path, **more: object) -> tuple[Path, bool]:
    container = spec(volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": True, **more}])
    source: Object = {"name": "v", "hostPath": {"path": str(volume)}}
    made = container_mounts(pod(container, volumes=[source]), container, {"v": volume}, {}, tmp_path / "pod", "")
    return Path(made.mounts[0].host_path), made.mounts[0].readonly


@pytest.mark.parametrize("asked", ["Enabled", "IfPossible"])
def test_a_container_is_given_a_copy_when_it_asks_for_one(volume: Path, tmp_path: Path, asked: str) -> None:
    for _ in range(2):
        path, is_read_only = mounted(tmp_path, volume, recursiveReadOnly=asked)
        assert is_read_only
        assert path != volume
        assert refuses_writing(path / "below")
    assert len([each for each in mounts_below(tmp_path / "pod") if each.endswith("below")]) == 1


def test_else_it_is_given_the_volume_itself(volume: Path, tmp_path: Path) -> None:
    assert mounted(tmp_path, volume, recursiveReadOnly="Disabled") == (volume, True)
    assert mounted(tmp_path, volume) == (volume, True)


def test_what_cannot_be_copied_is_said_only_where_it_must_be(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert mounted(tmp_path, absent, recursiveReadOnly="IfPossible") == (absent, True)
    with pytest.raises(ConfigMissing, match='recursive read-only mode: volume "v" requested it, but it cannot be had here: No such file'):
        mounted(tmp_path, absent, recursiveReadOnly="Enabled")


@pytest.mark.parametrize("follows", [True, False])
def test_what_is_mounted_later_appears_in_a_copy_that_follows(volume: Path, tmp_path: Path, follows: bool) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    (volume / "later").mkdir()
    with opened(os.open(volume, os.O_PATH)) as source:
        copy(source, target, follows=follows)
    mount_memory(volume / "later", "mode=755")
    assert os.path.ismount(target / "later") is follows
    for mounted in mounts_below(target):
        unmount(mounted)
    assert os.path.ismount(volume / "later")


def test_mounts_of_a_pod_with_users_of_its_own_cannot_lead_out(volume: Path, tmp_path: Path) -> None:
    container = spec(volumeMounts=[{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}])
    with pytest.raises(ConfigMissing, match="cannot appear on the node"):
        container_mounts(pod(container), container, {"v": volume}, {}, tmp_path / "pod", "", "/proc/self/ns/user")
