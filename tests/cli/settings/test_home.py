import re
from pathlib import Path

import pytest

from pilothouse.cli.settings.home import DEFAULT_HOME, Home, Settings, SettingsError


def test_a_home_is_absolute_and_has_a_short_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path / "a"))
    assert Home.chosen(None).path == tmp_path / "a"
    assert Home.chosen(str(tmp_path / "b")).path == tmp_path / "b"
    monkeypatch.chdir(tmp_path)
    assert Home.chosen("b").path == tmp_path / "b"
    assert Home(tmp_path / "a").instance != Home(tmp_path / "b").instance
    assert len(Home(tmp_path).instance) == 8


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert Settings.load(home) is None
    settings = Settings(api_port=7443, pod_cidr="10.8.0.0/16", node_port_range=(31000, 32000))
    settings.save(home)
    assert Settings.load(home) == settings
    assert [path.name for path in home.path.iterdir()] == ["settings.json"]


def test_only_what_is_given_is_changed() -> None:
    settings = Settings(api_port=7443)
    assert settings.changed(api_port=None, http_port=8080) == Settings(api_port=7443, http_port=8080)


def test_settings_of_a_newer_version_are_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings.write_text('{"api_port": 7443, "from_the_future": true}')
    loaded = Settings.load(home)
    assert loaded is not None
    assert loaded.api_port == 7443


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\0\0\0"])
def test_damaged_settings_are_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.settings.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.json is damaged .*`ph destroy`"):
        Settings.load(home)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pod_cidr": "10.96.0.0/12"}, "overlap"),
        ({"pod_cidr": "not a network"}, "--pod-cidr 'not a network' is not an IPv4 network"),
        ({"service_cidr": "10.1.0.0/30"}, "--service-cidr 10.1.0.0/30 is too small"),
        ({"service_cidr": "10.96.0.1/16"}, "--service-cidr"),
    ],
)
def test_networks_that_cannot_be_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**values)  # type: ignore[arg-type]


def test_addresses_follow_from_the_networks() -> None:
    settings = Settings(pod_cidr="10.8.0.0/16", service_cidr="10.9.0.0/16")
    assert [str(a) for a in (settings.api_address, settings.dns_address, settings.gateway_address)] == ["10.9.0.1", "10.9.0.10", "10.8.0.1"]


def test_kubeconfigs_name_the_cluster_after_its_home() -> None:
    assert Home(DEFAULT_HOME).cluster_name == "pilothouse"
    names = {Home(Path(path)).cluster_name for path in ("/srv/Second One", "/srv/b/Second One", "/srv/ü")}
    assert len(names) == 3
    assert all(re.fullmatch("pilothouse-[a-z0-9-]+", name) for name in names)
