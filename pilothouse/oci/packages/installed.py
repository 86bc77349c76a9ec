"""Which versions of packages a root file system has, by dpkg's own list of them."""

import re
import tarfile
from pathlib import Path

_STATUS = "./var/lib/dpkg/status"
_STANZA = re.compile(r"^Package: (\S+)$.*?^Version: (\S+)$", re.MULTILINE | re.DOTALL)


def installed(rootfs: Path) -> dict[str, str]:
    """Package -> version as Debian writes it. It reads through the tar, so not on an event loop."""
    with tarfile.open(rootfs) as tar:
        file = tar.extractfile(_STATUS)
        assert file is not None, f"{_STATUS} is a folder or a link"
        return versions(file.read().decode(errors="replace"))


def versions(status: str) -> dict[str, str]:
    """As `installed`, from the text of dpkg's list."""
    return dict(found.groups() for stanza in status.split("\n\n") if (found := _STANZA.search(stanza)))  # type: ignore[misc]
