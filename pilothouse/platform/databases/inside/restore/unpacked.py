"""A backup of the store as a folder that a server starts on."""

from pathlib import Path

from pilothouse.platform.databases.inside.backup.load import load
from pilothouse.platform.databases.inside.backup.manifest import DATA
from pilothouse.platform.databases.inside.backup.unpack import Unpacking, prepare
from pilothouse.platform.databases.inside.outcome import Failure
from pilothouse.platform.databases.inside.store.sealed import Keys, unsealed
from pilothouse.platform.databases.inside.store.seam import Store


def unpacked(store: Store, keys: Keys, location: str, method: str, folder: Path) -> None:
    """Raises Failure when the copy is no copy, and the errors of `unsealed`."""
    parts = unsealed(store, f"{location}/{DATA}", keys)
    try:
        if method == "logical":
            load(folder, parts)
            return
        with Unpacking(folder) as unpacking:
            for part in parts:
                unpacking.write(part)
            unpacking.finish()
        prepare(folder)
    except Failure as failure:
        raise _final(failure) from failure


def _final(failure: Failure) -> Failure:
    """What lies in the store stays as it is."""
    reason = "Corrupted" if failure.reason == "BrokenCopy" else failure.reason
    return Failure(reason, failure.message, final=True)
