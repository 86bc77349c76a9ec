"""A loop device is a file's by its inode, whatever path or number it has."""

from pathlib import Path

from pilothouse.engine.node.local_volumes import loops
from tests.engine.node.local_volumes.conftest import MIB, needs_loops

pytestmark = needs_loops


def sized(path: Path, size_bytes: int = MIB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def test_a_file_is_found_under_another_path_and_another_file_under_its_path_is_not(home: Path) -> None:
    file = sized(home / "node/volumes/a/image")
    device = loops.attach(file)
    try:
        moved = file.rename(file.with_name("moved"))
        assert loops.devices(moved) == [device]
        sized(file)
        assert loops.devices(file) == []
        loops.detach(file)
        assert loops.devices(moved) == [device], "a foreign device is left alone"
    finally:
        loops.detach(moved)
    assert loops.devices(moved) == []


def test_a_file_has_one_device_which_becomes_as_large_as_the_file(home: Path) -> None:
    file = sized(home / "node/volumes/a/image")
    device = loops.attach(file)
    assert loops.attach(file) == device
    with file.open("r+b") as grown:
        grown.truncate(3 * MIB)
    assert loops.show_size(file) == [device]
    assert int(Path("/sys/class/block", device.name, "size").read_text()) * 512 == 3 * MIB
    device.write_bytes(b"kept" * 128)
    loops.write_back(file)
    assert file.read_bytes()[:4] == b"kept"
    loops.detach(file)
    assert loops.devices(file) == []


def test_a_file_that_is_not_there_has_no_device(home: Path) -> None:
    assert loops.devices(home / "nothing") == []
