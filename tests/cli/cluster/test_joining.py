"""What a home holds that is to be a node of a cluster."""

from pathlib import Path

import pytest

from pilothouse.cli.cluster.discovery import Cluster
from pilothouse.cli.cluster.joining import write
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client.kubeconfig import load
from pilothouse.engine.identities import Identities

TOKEN = "abcdef.0123456789abcdef"


@pytest.mark.parametrize(("registry_port", "reached"), [(0, False), (5001, True)])
def test_a_home_that_joins_can_be_read_again_with_and_without_a_registry(tmp_path: Path, registry_port: int, reached: bool) -> None:
    cluster = Cluster("https://192.0.2.1:6443", b"PEM", "10.244.0.0/16", "10.96.0.0/16", "cluster.local", registry_port)
    home = Home(tmp_path)
    write(home, cluster, TOKEN, node_name="n", node_addresses=["127.0.0.1"])
    settings = Settings.load(home)
    assert settings is not None
    assert (settings.server, settings.address, settings.node_cidr) == ("https://192.0.2.1:6443", "127.0.0.1", "")
    assert settings.reaches_registry == reached
    assert not reached or settings.registry_port == registry_port
    bootstrap = Identities(home.pki).bootstrap
    assert load(bootstrap).token == TOKEN
    assert bootstrap.stat().st_mode & 0o077 == 0
