"""What a further node's namespaces have of the machine, and what not."""

import asyncio
import os
import signal
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from pilothouse.aio.identity import wait_gone
from pilothouse.cli.further import namespaces
from pilothouse.cli.further.place import Place
from pilothouse.cli.settings.home import Home
from pilothouse.engine.node.files.mountpoints import bind, mount_memory, unmount

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A volume of the first node, and where a pod has it."""
    volume, pods = tmp_path / "node" / "volumes" / "pvc-1" / "mount", tmp_path / "node" / "pods" / "v"
    for folder in (volume, pods):
        folder.mkdir(parents=True)
    mount_memory(volume, "mode=755")
    descriptor = os.open(volume, os.O_RDONLY)
    bind(descriptor, pods)
    os.close(descriptor)
    try:
        yield volume, pods
    finally:
        unmount(pods)
        unmount(volume)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_volumes_of_the_first_node_are_not_kept_in_use_by_a_further_one(
    mounted: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "KEEPER", ("sleep", "60"))
    place = Place(Home(tmp_path / "nodes" / "2"), Home(tmp_path), IPv4Network("192.0.2.0/24"))
    holder = namespaces.hold(place)
    try:
        inside = Path(f"/proc/{holder.pid}/mounts").read_text()
    finally:
        holder.signal(signal.SIGKILL)
        asyncio.run(wait_gone(holder, 5.0))
    outside = Path("/proc/self/mounts").read_text()
    assert [str(each) in outside for each in mounted] == [True, True]
    assert [str(each) in inside for each in mounted] == [False, False]
