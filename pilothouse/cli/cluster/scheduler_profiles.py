"""The file with the scheduler's profiles that `ph up --scheduler-config` names, and its copy in the home, by which the cluster starts.

A file that has gone, or has been broken by an editor, is noticed by whoever calls `ph up`, and by no restart of the machine.
"""

from pathlib import Path

from pilothouse.cli import output
from pilothouse.cli.settings.home import Home, Settings, SettingsError


def check(home: Home, settings: Settings) -> None:
    """Raises SettingsError for profiles that the control plane could not start with."""
    if settings.scheduler_config:
        _read(home, Path(settings.scheduler_config))


def keep(home: Home, settings: Settings) -> None:
    """Brings the copy up to date; call it before each start."""
    from pilothouse.engine.node.files import durable

    path = Path(settings.scheduler_config)
    if not settings.scheduler_config:
        home.scheduler_config.unlink(missing_ok=True)
    elif path.exists():
        durable.write(home.scheduler_config, path.read_bytes())
    else:
        output.note(f"{path} is gone: the scheduler's profiles stay as they were ({home.scheduler_config})")


def _read(home: Home, path: Path) -> None:
    from pilothouse.engine.scheduler.config.file import ConfigError, read

    try:
        # What was good once is still there.
        read(path if path.exists() or not home.scheduler_config.exists() else home.scheduler_config)
    except ConfigError as error:
        raise SettingsError(str(error)) from error
