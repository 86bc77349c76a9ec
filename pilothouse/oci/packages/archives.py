"""Archives of distributions whose packages machines of another one use, too: where they are, and whose signature is believed.

The key lies beside this module, so that what a machine trusts for such an image is part of the platform, and nothing that it fetched.
It signs for the image alone: apt of the machine itself never learns of it.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Archive:
    """uri: for amd64; others: for all other architectures. pockets: endings of the release's name. key: a file beside this module."""

    releases: tuple[str, ...]
    uri: str
    others: str
    pockets: tuple[str, ...]
    components: tuple[str, ...]
    key: str

    def key_text(self) -> str:
        """OpenPGP's, in letters."""
        return resources.files(__package__).joinpath(self.key).read_text()

    def lines(self, suite: str) -> Iterator[str]:
        """Of a sources.list."""
        uri = self.uri if platform.machine() == "x86_64" else self.others
        return (f"deb {uri} {suite}{pocket} {' '.join(self.components)}" for pocket in self.pockets)


UBUNTU = Archive(
    releases=("noble",),
    uri="http://archive.ubuntu.com/ubuntu",
    others="http://ports.ubuntu.com/ubuntu-ports",
    pockets=("", "-updates", "-security"),
    components=("main", "universe"),
    key="ubuntu.asc",
)
"""The key's fingerprint is F6ECB3762474EDA9D21B7022871920D1991BC93C. Source: Debian's package ubuntu-keyring 2023.11.28.1."""
_ARCHIVES = {release: archive for archive in (UBUNTU,) for release in archive.releases}


def archive_of(release: str) -> Archive | None:
    """None for a release that only a machine's own sources have."""
    return _ARCHIVES.get(release)


def signed(lines: list[str], key: str) -> list[str]:
    """The lines of a sources.list with the file of the one key that is believed for them."""
    return [line.replace("deb ", f"deb [signed-by={key}] ", 1) for line in lines]
