"""Time zones by their names in the IANA database, as the machine has it (Debian's tzdata)."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from pilothouse.model.caching import remembered


class UnknownZone(ValueError):
    """No zone has this name here."""


@remembered(64)
def find(name: str | None) -> tzinfo:
    """None: UTC. Raises UnknownZone."""
    if not name or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    # WHY all of these: a name that leads out of the folder, one that is not there, a folder, a file that is no zone.
    except (KeyError, OSError, ValueError) as error:
        raise UnknownZone(f"unknown time zone {name}") from error
