from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.cluster import node_names, ports
from pilothouse.cli.cluster.choice import first_settings, next_settings
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from tests.cli.cluster.test_ports import free


def stored(path: Path, more: str) -> tuple[Home, Settings]:
    home = Home(path)
    ports = ", ".join(f'"{name}": {free()}' for name in ("api_port", "http_port", "https_port", "registry_port", "kubelet_port"))
    home.settings.write_text(f"{{{ports}, {more}}}")
    settings = Settings.load(home)
    assert settings is not None
    return home, settings


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    home, settings = stored(tmp_path, '"store_quota_mb": 512')
    with pytest.raises(SettingsError, match=r"settings\.json: there is no setting store_quota_mb: did you mean store_quota_mib\?"):
        next_settings(home, settings, {})


def test_a_setting_of_another_version_is_left_out_and_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, settings = stored(tmp_path, '"from_the_future": true')
    assert next_settings(home, settings, {}) == settings
    assert "this version has no setting from_the_future: it is left out" in capsys.readouterr().err


def test_the_platform_can_be_left_out_and_brought_back(tmp_path: Path) -> None:
    home, settings = stored(tmp_path, '"platform": true')
    without = next_settings(home, settings, {"platform": False})
    assert (without.platform, next_settings(home, without, {"platform": None}).platform) == (False, False)
    assert next_settings(home, without, {"platform": True}).platform


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"node_name": "Foo Bar"}, "--node-name 'Foo Bar' is no name of a node: use lower case letters"),
        ({"node_name": ""}, "--node-name '' is no name of a node"),
        ({"node_name": "a" * 53}, "is too long for the name of a node: give one of at most 52 characters"),
        ({"listen": "192.0.2.1"}, "--listen 192.0.2.1 is no address of this machine: give one that `ip address` shows, or 0.0.0.0"),
        ({"api_listen": "192.0.2.1"}, "--api-listen 192.0.2.1 is no address of this machine"),
    ],
)
def test_what_no_instance_can_be_started_with_is_refused_before_it_is(tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        first_settings(Home(tmp_path), asked)
    assert said in str(refused.value)


def test_a_host_whose_name_is_none_of_a_node_says_how_to_give_it_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_names, "Settings", lambda: Settings(node_name="my_laptop"))
    with pytest.raises(SettingsError, match="this machine's name, 'my_laptop', is no name of a node: give the node one with --node-name"):
        first_settings(Home(tmp_path), {})


def test_two_ports_that_are_asked_for_are_not_the_same(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--port \d+ is the port of --http-port already"):
        first_settings(Home(tmp_path), dict.fromkeys(("api_port", "http_port"), free()))


def test_a_port_that_is_asked_for_is_not_taken_for_another_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's own, which nobody has yet."""
    monkeypatch.setattr(ports, "is_free", lambda host, port: True)
    settings = first_settings(Home(tmp_path), {"https_port": 5000})
    assert (settings.https_port, settings.registry_port) == (5000, 5001)


def test_a_changed_port_is_not_one_that_the_instance_has_already(tmp_path: Path) -> None:
    home, settings = stored(tmp_path, '"node_name": "n"')
    with pytest.raises(SettingsError, match=r"--http-port \d+ is the port of --registry-port already"):
        next_settings(home, settings, {"http_port": settings.registry_port})


def test_an_address_that_the_machine_has_no_more_is_named_with_the_way_out(tmp_path: Path) -> None:
    home, settings = stored(tmp_path, '"api_listen": "192.0.2.1"')
    with pytest.raises(SettingsError, match=r"--api-listen 192\.0\.2\.1 is no address of this machine: .*'' for none, with --api-listen"):
        next_settings(home, settings, {})
    assert not next_settings(home, settings, {"api_listen": ""}).api_listen
