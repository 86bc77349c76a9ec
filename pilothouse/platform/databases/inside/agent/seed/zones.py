"""Names of time zones, which applications convert by (Django's dates do), as statements that fill the server's tables.

The server's own program reads them from the system's files. Of its output count the rows alone, and of the zones those that have one name:
the system has each once more under `posix` and `right`.
"""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

_FOLDER = Path("/usr/share/zoneinfo")
_WITHIN_S = 30
_KEPT = ("insert into time_zone", "set @time_zone_id")
_FIRST = "insert into time_zone ("
_AGAIN = ("'posix/", "'right/")


def statements(program: str, folder: Path = _FOLDER) -> list[str]:
    """Each in one line, for the database `mysql`. Nothing where the image has no zones or no such program: offsets work without them."""
    try:
        done = subprocess.run([program, str(folder)], capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [statement for zone in _zones(done.stdout.splitlines()) if not _is_known(zone) for statement in zone]


def _is_known(zone: Iterable[str]) -> bool:
    return any(mark in statement for statement in zone if "time_zone_name" in statement for mark in _AGAIN)


def _zones(lines: Iterable[str]) -> Iterator[list[str]]:
    """The statements of each zone, of which the first makes it."""
    zone: list[str] = []
    for statement in _statements(lines):
        if not statement.lower().startswith(_KEPT):
            continue
        if statement.lower().startswith(_FIRST) and zone:
            yield zone
            zone = []
        zone.append(statement)
    if zone:
        yield zone


def _statements(lines: Iterable[str]) -> Iterator[str]:
    parts: list[str] = []
    for line in lines:
        parts.append(line)
        if line.rstrip().endswith(";"):
            yield "".join(parts).rstrip().removesuffix(";")
            parts = []
