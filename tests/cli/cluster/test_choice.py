from pathlib import Path

import pytest

from pilothouse.cli.cluster.choice import next_settings
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from tests.cli.cluster.test_ports import free


def stored(path: Path, more: str) -> tuple[Home, Settings]:
    home = Home(path)
    ports = ", ".join(f'"{name}": {free()}' for name in ("api_port", "http_port", "https_port", "registry_port"))
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
