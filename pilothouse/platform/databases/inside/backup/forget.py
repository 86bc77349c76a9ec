"""The Job that removes a backup from its store, and of the archive what no backup that is left needs."""

from collections.abc import Mapping

from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.backup.manifest import MANIFEST
from pilothouse.platform.databases.inside.outcome import carry_out
from pilothouse.platform.databases.inside.settings import Settings
from pilothouse.platform.databases.inside.store.errors import told
from pilothouse.platform.databases.inside.store.seam import Store

ALL = "all"


def run(environ: Mapping[str, str], arguments: list[str]) -> int:
    return carry_out(environ, lambda: forget(Settings.of(environ)))


def forget(settings: Settings) -> Mapping[str, object]:
    """NEEDED: position of the oldest backup that is left, `all` when the archive goes too, "" when it stays as it is."""
    store, location, needed = settings.store(), settings["LOCATION"], settings.environ.get("NEEDED", "")
    with told():
        # The manifest first: what is left when this is interrupted is no backup.
        store.delete(f"{location}/{MANIFEST}")
        _remove(store, f"{location}/")
        store.tidy(f"{location}/")
        if needed == ALL:
            _remove(store, f"{settings['ARCHIVE']}/")
            store.delete(f"{settings['ARCHIVE']}-until")
        elif needed:
            Archive(store, settings.keys(), settings["ARCHIVE"]).remove_before(needed)
    return {}


def _remove(store: Store, prefix: str) -> None:
    for entry in list(store.entries(prefix)):
        store.delete(entry.name)
