"""Parts of volumes: bound where no container reaches, never outside of the volume."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.files.payload import File, write_payload
from pilothouse.engine.node.files.subpath import bind_subpath
from pilothouse.engine.node.pod.environment import ConfigMissing

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "volume"
    folder.mkdir()
    yield folder
    for mounted in mounts_below(tmp_path):
        unmount(mounted)


def test_a_part_that_is_absent_is_made_like_the_volume(volume: Path, tmp_path: Path) -> None:
    os.chown(volume, -1, 4321)
    volume.chmod(0o2770)
    found = bind_subpath(volume, "a/b", tmp_path / "bound")
    (found / "file").write_text("x")
    assert (volume / "a" / "b" / "file").read_text() == "x"
    status = (volume / "a").stat()
    assert (status.st_gid, status.st_mode & 0o7777) == (4321, 0o2770)


def test_a_key_of_a_configmap_is_mounted_as_a_file(volume: Path, tmp_path: Path) -> None:
    write_payload(volume, {"a.txt": File(b"one")})
    assert bind_subpath(volume, "a.txt", tmp_path / "bound").read_bytes() == b"one"


@pytest.mark.parametrize("target", ["/etc", "../outside", "/"])
def test_links_that_lead_out_are_refused(volume: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    (volume / "d").symlink_to(target)
    for path in ("d", "d/below"):
        with pytest.raises(ConfigMissing, match="leaves its volume"):
            bind_subpath(volume, path, tmp_path / "bound")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc"])
def test_paths_that_lead_out_are_refused(volume: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigMissing, match="leaves its volume"):
        bind_subpath(volume, path, tmp_path / "bound")


def test_links_inside_the_volume_are_followed(volume: Path, tmp_path: Path) -> None:
    (volume / "real").mkdir()
    (volume / "deep").mkdir()
    (volume / "deep" / "link").symlink_to("../real")
    (bind_subpath(volume, "deep/link/new", tmp_path / "bound") / "file").touch()
    assert (volume / "real" / "new" / "file").exists()


def test_what_is_bound_stays_what_it_was_when_its_path_is_swapped(volume: Path, tmp_path: Path) -> None:
    bound = bind_subpath(volume, "d", tmp_path / "bound")
    (volume / "d").rename(volume / "old")
    (volume / "d").symlink_to("/")
    (bound / "file").touch()
    assert (volume / "old" / "file").exists()
    assert not (bound / "etc").exists()


def test_another_start_of_the_container_mounts_anew_and_not_upon(volume: Path, tmp_path: Path) -> None:
    bind_subpath(volume, "one", tmp_path / "bound")
    (volume / "two").write_text("a file")
    assert bind_subpath(volume, "two", tmp_path / "bound").read_text() == "a file"
    assert mounts_below(tmp_path) == [str(tmp_path / "bound")]
