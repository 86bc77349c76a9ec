"""The Job of a verification: restores a backup into a server of its own and compares it with what the backup recorded.

What it proves: what lies in the store is what was written there (each chunk's seal), it is whole, a server starts on it, every table
passes CHECK TABLE, and rows, checksums and definitions are those that a server started on the copy told while the backup was made.
"""

import time
from collections.abc import Mapping

from pilothouse.platform.databases.inside.backup import manifest
from pilothouse.platform.databases.inside.backup.manifest import DATA, Manifest
from pilothouse.platform.databases.inside.backup.survey import differences, survey
from pilothouse.platform.databases.inside.outcome import Failure, carry_out, say
from pilothouse.platform.databases.inside.restore.unpacked import unpacked
from pilothouse.platform.databases.inside.scratch import scratch
from pilothouse.platform.databases.inside.settings import Settings
from pilothouse.platform.databases.inside.store.errors import told

_SHOWN = 3


def run(environ: Mapping[str, str], arguments: list[str]) -> int:
    return carry_out(environ, lambda: verify(Settings.of(environ)))


def verify(settings: Settings) -> Mapping[str, object]:
    """Returns what was compared. A backup that does not pass is a Failure "Corrupted" or "Missing"."""
    began = time.monotonic()
    store, keys, location = settings.store(), settings.keys(), settings["LOCATION"]
    with told():
        recorded = manifest.read(store, keys, location)
        say(f"restoring {location}/{DATA} of {recorded.bytes} bytes")
        unpacked(store, keys, location, recorded.method, settings.scratch / "data")
    with scratch(settings.scratch / "data") as server, server.connect() as connection:
        found = list(differences(recorded.tables, survey(connection)))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Failure("Corrupted", f"the restored server differs: {', '.join(found[:_SHOWN])}{more}", final=True)
    return _summary(recorded, time.monotonic() - began)


def _summary(recorded: Manifest, seconds: float) -> Mapping[str, object]:
    say(f"{len(recorded.tables)} tables with {recorded.rows} rows are as they were recorded")
    return {"tables": len(recorded.tables), "rows": recorded.rows, "seconds": round(seconds, 2)}
