"""Which version of a server may follow which on the same data (pure)."""

from collections.abc import Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object

FIRST_OF_MARIADB = 10
"""The lowest number of a version of MariaDB's, and above all of MySQL's."""
EXAMPLES = {"mariadb": "write one such as 10.11 or 11.8", "mysql": "write one such as 8.0 or 8.4"}
_ONE_WAY = (8, 0)
"""The series of MySQL whose servers change the data dictionary in minor releases."""
_LONG_TERM: Mapping[tuple[int, ...], str] = {(8, 0): "8.4", (5, 7): "8.0"}
"""Series of MySQL -> the one that it has to become before any later one."""


def unknown(flavour: str, version: str) -> str:
    """A sentence where a flavour has no such version; "" otherwise.

    Source: both projects' release histories: MariaDB went from 5.5 to 10.0, MySQL from 5.7 to 8.0.
    """
    if version and (flavour == "mariadb") != (_numbers(version)[0] >= FIRST_OF_MARIADB):
        return f"{flavour} has no version {version}: {EXAMPLES[flavour]}"
    return ""


def fault(flavour: str, has: str, wanted: str) -> str:
    """Why data that a server of one version has opened cannot become another one's; "" when they can.

    has: in full. wanted: in full or a series. An empty one is unknown, and refused by the server itself if need be.
    Source: MySQL 8.4 manual, "Downgrading MySQL" and "Upgrade Paths"; MariaDB, "Downgrading between Minor Versions of MariaDB".
    """
    if not has or not wanted:
        return ""
    old, new = _numbers(has), _numbers(wanted)
    if new < old[: len(new)] and (new[:2] < old[:2] or goes_one_way(flavour, has)):
        return f"version {wanted} is older than {has}, whose files it cannot read: restore a backup of {wanted} into a new instance"
    between = _LONG_TERM.get(old[:2]) if flavour == "mysql" else None
    if between and new[:2] > _numbers(between):
        return f"version {wanted} cannot read the files of {has}: go to {between} first"
    return ""


def goes_one_way(flavour: str, version: str) -> bool:
    """Whether not even an earlier release of the series can read what a server of this version has opened."""
    return flavour == "mysql" and _numbers(version)[:2] <= _ONE_WAY


def one_way(instance: Object) -> list[str]:
    """What to do before another version where there is no way back to this one; [] where there is."""
    if not goes_one_way(instance["spec"].get("flavour", "mariadb"), of_data(instance.get("status") or {})):
        return []
    command = f"ph mysql backup {meta.name(instance)}"
    return [f"no earlier version can read the data afterwards, so that the way back is a backup: `{command}` takes one"]


def of_data(status: Object) -> str:
    """The version by which an instance's data are judged; "" while there are none."""
    return str(status.get("dataVersion") or (status.get("version") if status.get("seeded") else "") or "")


def highest(*versions: str) -> str:
    """The highest of those that are not empty; "" for none."""
    return max((each for each in versions if each), key=_numbers, default="")


def _numbers(version: str) -> tuple[int, ...]:
    """10.11.18 of `10.11.18-MariaDB`."""
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())
