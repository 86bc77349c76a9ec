"""How an instance's settings become the settings of its parts."""

from pathlib import Path

import pytest

from pilothouse.cli.daemon.wiring import node_config
from pilothouse.cli.settings.home import BUILDER, DEFAULT_HOME, Home, Settings


@pytest.mark.parametrize("home", [DEFAULT_HOME, Path("/srv/other"), DEFAULT_HOME / "nodes" / "2"])
def test_the_builders_store_is_in_the_home_of_each_node(home: Path) -> None:
    assert node_config(Home(home), Settings()).own_folders == {BUILDER: home / "builder"}
