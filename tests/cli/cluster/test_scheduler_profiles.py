"""The file with the scheduler's profiles is checked, and kept for restarts that nobody watches."""

from pathlib import Path

import pytest

from pilothouse.cli.cluster.scheduler_profiles import check, keep
from pilothouse.cli.daemon.wiring import scheduler_config
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.engine.scheduler.config.types import SchedulerConfig

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def named(path: Path, *names: str) -> Settings:
    """Settings with a file that has profiles of those names."""
    path.write_text(HEAD + "profiles:\n" + "".join(f"- schedulerName: {name}\n" for name in names))
    return Settings(scheduler_config=str(path))


def test_the_control_plane_starts_by_a_copy_that_outlives_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, path = Home(tmp_path), tmp_path / "given.yaml"
    assert scheduler_config(home) == SchedulerConfig()
    settings = named(path, "default-scheduler", "packing")
    settings.save(home)
    for _ in range(2):
        check(home, settings)
        keep(home, settings)
        assert scheduler_config(home).names == ["default-scheduler", "packing"]
        path.unlink(missing_ok=True)
    assert f"{path} is gone: the scheduler's profiles stay as they were" in capsys.readouterr().err
    keep(home, named(path, "other"))
    assert scheduler_config(home).names == ["other"]
    keep(home, Settings())
    assert scheduler_config(home) == SchedulerConfig()


def test_a_file_that_is_not_valid_or_was_never_there_is_refused(tmp_path: Path) -> None:
    home, path = Home(tmp_path), tmp_path / "given.yaml"
    with pytest.raises(SettingsError, match=r"given.yaml cannot be read"):
        check(home, Settings(scheduler_config=str(path)))
    keep(home, named(path, "packing"))
    path.write_text("profiles: []")
    with pytest.raises(SettingsError, match=r"given.yaml is not valid: it has to begin with"):
        check(home, Settings(scheduler_config=str(path)))
    assert scheduler_config(home).names == ["packing"]


def test_a_path_that_is_given_for_the_first_time_must_be_there(tmp_path: Path) -> None:
    home, path = Home(tmp_path), tmp_path / "given.yaml"
    settings = named(path, "default-scheduler")
    settings.save(home)
    keep(home, settings)
    with pytest.raises(SettingsError, match=r"given.yml cannot be read"):
        check(home, Settings(scheduler_config=str(tmp_path / "given.yml")))


def test_who_waits_for_a_profile_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(Home(tmp_path), named(tmp_path / "given.yaml", "packing"))
    assert "pods that name no scheduler wait; there are packing" in capsys.readouterr().err
