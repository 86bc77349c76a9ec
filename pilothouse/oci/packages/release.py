"""Releases of distributions: the machine's own, and whose packages it may use besides."""

from collections.abc import Mapping
from pathlib import Path

SIBLINGS: Mapping[str, tuple[str, ...]] = {"bookworm": ("trixie",), "trixie": ("bookworm",), "noble": ()}
"""Releases whose packages a machine of another one may use: the same archive, the same keys."""
SHIPS_MERGED_USR = frozenset(["noble"])
"""Releases whose packages bring the links of a merged /usr themselves, and cannot be unpacked where they are already."""


class UnknownRelease(Exception):
    """The machine's release cannot be told: one sentence."""


def suite() -> str:
    """The codename of the machine's release. Raises UnknownRelease where there is none."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise UnknownRelease("/etc/os-release names no VERSION_CODENAME: images can be made on Debian and Ubuntu only")


def suites_of(host: str) -> tuple[str, ...]:
    """The releases to look through, the machine's own first."""
    return (host, *SIBLINGS.get(host, ()))
