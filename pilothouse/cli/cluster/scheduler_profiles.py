"""The file with the scheduler's profiles that `ph up --scheduler-config` names, and its copy in the home, by which the cluster starts.

A file that has gone, or has been broken by an editor, is noticed by whoever calls `ph up`, and by no restart of the machine.
"""

from pathlib import Path

from pilothouse.cli import output
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.model.scheduling import DEFAULT_SCHEDULER


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
        _note_who_waits(path)
    else:
        output.note(f"{path} is gone: the scheduler's profiles stay as they were ({home.scheduler_config})")


def _note_who_waits(path: Path) -> None:
    from pilothouse.engine.scheduler.config.file import read

    if DEFAULT_SCHEDULER not in (names := read(path).names):
        output.note(
            f"no profile of {path} is called {DEFAULT_SCHEDULER}: pods that name no scheduler wait; there are {' and '.join(names)}"
        )


def _read(home: Home, path: Path) -> None:
    from pilothouse.engine.scheduler.config.file import ConfigError, read

    try:
        # What was good once is still there.
        read(path if path.exists() or not _is_kept(home, path) else home.scheduler_config)
    except ConfigError as error:
        raise SettingsError(str(error)) from error


def _is_kept(home: Home, path: Path) -> bool:
    """Whether the copy is of this file: a path that is given for the first time must be there."""
    saved = Settings.load(home)
    return saved is not None and saved.scheduler_config == str(path) and home.scheduler_config.exists()
