import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.store.seam import StoreError
from pilothouse.platform.databases.inside.store.volume import VolumeStore
from tests.platform.databases.inside.store.contract import StoreContract, names


@pytest.fixture
def store(tmp_path: Path) -> VolumeStore:
    return VolumeStore(tmp_path)


class TestVolumeStore(StoreContract):
    pass


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A volume of a megabyte."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "store", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_volume_is_told_and_keeps_nothing_half_made(small: Path) -> None:
    store = VolumeStore(small)
    writer = store.write("orders/a")
    with pytest.raises(StoreError) as told:
        writer.write(bytes(2 << 20))
    assert told.value.reason == "StoreFull"
    writer.abort()
    assert names(store) == []
    assert not [path for path in small.rglob("*") if path.is_file()]
