"""An instance is taken away, what is mounted in it is not."""

import os
import subprocess
from pathlib import Path

import pytest

from pilothouse.cli.cluster.removal import is_further, remove_tree, to_remove
from pilothouse.cli.settings.home import Home, Settings
from tests.cli.test_ending import ph


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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to remove")
@pytest.mark.parametrize("text", ["{", '{"store_quota_mib": "much"}'])
def test_an_instance_whose_settings_are_damaged_is_removed_as_they_advise(tmp_path: Path, text: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.json").write_text(text)
    done = ph("--home", str(home), "destroy", "--yes")
    assert (done.returncode, home.exists()) == (0, False), done.stderr


def test_a_further_node_is_known_by_its_place_whatever_its_settings_say(tmp_path: Path) -> None:
    instance, further = Home(tmp_path), Home(tmp_path / "nodes" / "2")
    Settings(node_name="n", nodes_cidr="172.27.0.0/24").save(instance)
    further.path.mkdir(parents=True)
    further.settings.write_text("{")
    assert is_further(further)
    assert not is_further(instance)
    found = to_remove(further)
    assert (found.node_name, found.parent, found.server) == ("n-2", str(tmp_path), "https://172.27.0.1:6443")
    further.store.touch()
    assert not is_further(further)
