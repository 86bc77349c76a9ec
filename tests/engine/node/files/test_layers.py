"""Layers of images as one folder."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.files.layers import mount_layers
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.answers import chain_id, layers_of
from pilothouse.engine.node.runtime.seam import RuntimeFailure


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    for name in ("target", "empty"):
        (tmp_path / name).mkdir()
    yield tmp_path / "target"
    for mounted in mounts_below(tmp_path):
        unmount(mounted)


def layer(folder: Path, name: str, **files: str) -> str:
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        (folder / name / file).write_text(content)
    return str(folder / name)


def test_one_layer_is_as_safe_from_writing_as_many(target: Path, tmp_path: Path) -> None:
    mount_layers([layer(tmp_path, "one", a="1")], tmp_path / "empty", target)
    assert (target / "a").read_text() == "1"
    with pytest.raises(OSError) as refused:
        (target / "a").write_text("2")
    assert refused.value.errno == errno.EROFS


def test_the_uppermost_layer_counts(target: Path, tmp_path: Path) -> None:
    mount_layers([layer(tmp_path, "two", a="2"), layer(tmp_path, "one", a="1", b="1")], tmp_path / "empty", target)
    assert ((target / "a").read_text(), (target / "b").read_text()) == ("2", "1")


def test_layers_whose_paths_do_not_fit_a_page_are_mounted_all_the_same(target: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    layers = [layer(deep, str(number), **{f"f{number}": "x"}) for number in range(60)]
    assert len(":".join(layers)) > 4096
    before = Path.cwd()
    mount_layers(layers, tmp_path / "empty", target)
    assert len(os.listdir(target)) == 60
    assert Path.cwd() == before


def test_what_cannot_be_mounted_is_said(target: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        mount_layers([str(tmp_path / "absent"), str(tmp_path / "gone")], tmp_path / "empty", target)


def test_layers_upon_each_other_have_a_name() -> None:
    assert chain_id(["sha256:a"]) == "sha256:a"
    assert chain_id(["sha256:a", "sha256:b"]) == "sha256:970a948bffa8de94d6e22d747ba8c95030e6e546909f98f54e99a13005e173a8"
    with pytest.raises(RuntimeFailure, match="no layers"):
        chain_id([])


def test_a_view_of_one_layer_is_its_folder_and_one_of_several_an_overlay() -> None:
    one = api.MountsResponse(mounts=[api.SnapshotMount(type="bind", source="/s/1/fs", options=["ro", "rbind"])])
    several = api.MountsResponse(mounts=[api.SnapshotMount(type="overlay", options=["index=off", "lowerdir=/s/2/fs:/s/1/fs"])])
    assert (layers_of(one), layers_of(several)) == (("/s/1/fs",), ("/s/2/fs", "/s/1/fs"))
