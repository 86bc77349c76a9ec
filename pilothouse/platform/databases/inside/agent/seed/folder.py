"""The folder that data are made or received in, and its way to the server's own place."""

import os
import shutil
from pathlib import Path

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.settings import Settings


def begin(settings: Settings) -> Path:
    """An empty folder for incoming data. What an interrupted attempt left goes first. Raises OSError."""
    shutil.rmtree(settings.incoming, ignore_errors=True)
    settings.incoming.mkdir(mode=0o750)
    return settings.incoming


def finish(settings: Settings) -> None:
    """Gives what lies in the folder the server's place, on disk before the name is. Raises OSError."""
    _sync(settings.incoming)
    settings.incoming.rename(settings.mysql)
    files.sync_folder(settings.data)


def give_up(settings: Settings) -> None:
    """What is left of data that did not come whole takes no room."""
    shutil.rmtree(settings.incoming, ignore_errors=True)


def discard(settings: Settings) -> None:
    """Removes the server's data: from its name first, so that nothing half removed is ever taken for data."""
    if settings.mysql.exists():
        gone = settings.data / "discarded"
        shutil.rmtree(gone, ignore_errors=True)
        settings.mysql.rename(gone)
        files.sync_folder(settings.data)
    shutil.rmtree(settings.data / "discarded", ignore_errors=True)


def _sync(folder: Path) -> None:
    for path, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(path, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        files.sync_folder(Path(path))
