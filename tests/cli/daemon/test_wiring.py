"""How an instance's settings become the settings of its parts."""

from pathlib import Path

import pytest

from pilothouse.cli.daemon.wiring import node_config
from pilothouse.cli.settings.home import BUILDER, DEFAULT_HOME, Home, Settings


@pytest.mark.parametrize("home", [DEFAULT_HOME, Path("/srv/other"), DEFAULT_HOME / "nodes" / "2"])
def test_the_builders_store_is_in_the_home_of_each_node(home: Path) -> None:
    assert node_config(Home(home), Settings()).own_folders == {BUILDER: home / "builder"}


def test_other_machines_reach_a_further_node_by_the_address_at_which_its_machine_lets_them_join(tmp_path: Path) -> None:
    parent, further = Home(tmp_path), Home(tmp_path / "nodes" / "2")
    settings = Settings(server="https://172.27.0.1:6443", node_address="172.27.0.2", parent=str(tmp_path))
    for listens in ("192.0.2.1", ""):
        Settings(api_listen=listens, nodes_cidr="172.27.0.0/24").save(parent)
        assert node_config(further, settings).reached_by == listens
    assert node_config(parent, Settings(api_listen="192.0.2.1")).reached_by == ""
