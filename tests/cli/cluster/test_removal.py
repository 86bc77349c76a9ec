"""An instance is taken away, what is mounted in it is not."""

import os
import subprocess
from pathlib import Path

import pytest

from pilothouse.cli.cluster.removal import remove_tree


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")
@pytest.mark.parametrize("name", ["plain", "with blank", "größe"])
def test_what_is_mounted_in_an_instance_is_never_emptied(tmp_path: Path, name: str) -> None:
    data, home = tmp_path / "data", tmp_path / name
    (home / "node" / "volume").mkdir(parents=True)
    data.mkdir()
    (data / "precious").write_text("kept")
    subprocess.run(["mount", "--bind", str(data), str(home / "node" / "volume")], check=True)
    remove_tree(home)
    assert not home.exists()
    assert (data / "precious").read_text() == "kept"
