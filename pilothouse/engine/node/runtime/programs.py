"""Which containerd an instance runs: the machine's own, or a later one kept beside Pilothouse.

containerd before 1.6.22, and 1.7 before 1.7.3, closes its end of a container's output as soon as the container has ended, and drops
what has not been read by then: the end of the log, and of what `attach` shows (upstream: "task: don't close() io before cancel()").
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pilothouse.aio.process import ProcessTimeout, run

CONTAINERD, SHIM = "containerd", "containerd-shim-runc-v2"
_VERSION = re.compile(r"(?:^|\s)v?(\d+)\.(\d+)\.(\d+)")

Version = tuple[int, int, int]
UNKNOWN: Version = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Programs:
    """folder: where containerd and its shim lie; None for the machine's own, on the PATH."""

    folder: Path | None
    version: Version

    @property
    def containerd(self) -> str:
        return CONTAINERD if self.folder is None else str(self.folder / CONTAINERD)

    @property
    def keeps_output(self) -> bool:
        return keeps_output(self.version)

    def environment(self) -> dict[str, str] | None:
        """With which containerd finds its own shim; None: as this process."""
        if self.folder is None:
            return None
        return {**os.environ, "PATH": os.pathsep.join((str(self.folder), *os.get_exec_path()))}


def keeps_output(version: Version) -> bool:
    """Whether that containerd reads a container's output to its end. A version that cannot be told counts as one that does not."""
    return version >= (1, 7, 3) or (1, 6, 22) <= version < (1, 7, 0)


def shown(version: Version) -> str:
    return "of an unknown version" if version == UNKNOWN else ".".join(map(str, version))


def parse_version(text: str) -> Version:
    """The first version in a text such as `containerd github.com/containerd/containerd v1.7.12 abc` or `1.7.24~ds1-6+deb13u1`."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else UNKNOWN


async def version_of(containerd: str | Path) -> Version:
    """What the program says of itself; UNKNOWN when it does not run here."""
    try:
        done = await run([containerd, "--version"], timeout_s=10)
    except (OSError, ProcessTimeout):
        return UNKNOWN
    return parse_version(done.stdout.decode(errors="replace")) if done.returncode == 0 else UNKNOWN


async def choose(kept: Path | None) -> Programs:
    """The machine's own where it keeps output, else the latest kept one that does and runs here, else the machine's own all the same.

    kept: a folder with one folder a version.
    """
    own = Programs(None, await version_of(CONTAINERD) if shutil.which(CONTAINERD) else UNKNOWN)
    if own.keeps_output or kept is None:
        return own
    for each in sorted(kept_programs(kept), key=lambda each: each.version, reverse=True):
        # A folder's name says nothing of its files: a power cut may have left them empty, another machine their C library behind.
        if each.keeps_output and await version_of(each.containerd) != UNKNOWN:
            return each
    return own


def kept_programs(kept: Path) -> list[Programs]:
    """The complete ones. Blocking, but only a few names are looked at."""
    return [
        Programs(folder, parse_version(folder.name))
        for folder in kept.glob("[0-9]*")
        if all((folder / name).exists() for name in (CONTAINERD, SHIM))
    ]
