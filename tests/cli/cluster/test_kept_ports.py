"""Ports of an instance that was made before there was a kubelet API."""

import json
import socket
from pathlib import Path

import pytest

from pilothouse.cli.cluster.choice import next_settings
from pilothouse.cli.settings.home import Home, Settings, SettingsError


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With settings on free ports."""
    home = Home(tmp_path)
    names = ("api_port", "http_port", "https_port", "registry_port")
    Settings().changed(**{name: free() for name in names}).save(home)
    return home


def stored(home: Home) -> Settings:
    found = Settings.load(home)
    assert found is not None
    return found


def test_the_port_that_it_did_not_know_moves_out_of_the_way(home: Home) -> None:
    old = {name: value for name, value in json.loads(home.settings.read_text()).items() if name != "kubelet_port"}
    home.settings.write_text(json.dumps(old))
    with socket.socket() as neighbour:
        neighbour.bind(("127.0.0.1", 0))
        neighbour.listen()
        taken = neighbour.getsockname()[1]
        given = stored(home).changed(kubelet_port=taken)
        assert next_settings(home, given, {}).kubelet_port not in (taken, 0)
        chosen = free()
        assert next_settings(home, given, {"kubelet_port": chosen}).kubelet_port == chosen


def test_a_port_that_was_promised_stays_and_is_refused_when_it_is_taken(home: Home) -> None:
    with socket.socket() as neighbour:
        neighbour.bind(("127.0.0.1", 0))
        neighbour.listen()
        taken = neighbour.getsockname()[1]
        stored(home).changed(kubelet_port=taken).save(home)
        with pytest.raises(SettingsError, match=f"port {taken} is taken .*--kubelet-port"):
            next_settings(home, stored(home), {})
