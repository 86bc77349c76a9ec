"""`URL#REVISION:FOLDER`: what a user writes for a repository, taken apart."""

import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

_SCP = re.compile(r"^(?:[\w.-]+@)?[\w.-]+:(?!//)[^\s]+$")
_SCHEMES = ("https://", "http://", "ssh://", "git://", "git+https://", "git+ssh://")
_COMMIT = re.compile(r"^[0-9a-f]{7,64}$")


class BadLocation(Exception):
    """An address that no build can fetch from: one sentence."""


@dataclass(frozen=True, slots=True)
class Location:
    """url: without credentials. revision: branch, tag or commit, "" for the default branch. path: the folder to build, "" for the root.

    username, password: those that stood in the URL; they belong into a Secret and nowhere else.
    """

    url: str
    revision: str = ""
    path: str = ""
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Location({self.url!r}, {self.revision!r}, {self.path!r})"

    @property
    def origin(self) -> str:
        """Scheme, host and port, such as `https://git.example.org`, to which credentials are confined; "" for SSH."""
        return "/".join(self.url.split("/")[:3]) if self.url.startswith(("https://", "http://")) else ""


def is_git(text: str) -> bool:
    """Whether an argument means a repository rather than a folder."""
    address = text.partition("#")[0]
    return address.startswith((*_SCHEMES, "file://")) or bool(_SCP.match(address) and not address.startswith((".", "/")))


def parse(text: str) -> Location:
    """Raises BadLocation."""
    address, _, fragment = text.strip().partition("#")
    revision, _, path = fragment.partition(":")
    if address.startswith("file://") or not is_git(address):
        raise BadLocation(f"{address} is a place of this machine, which builds do not see: deploy the folder itself with `ph deploy PATH`")
    if revision.startswith("-") or any(character.isspace() for character in revision):
        raise BadLocation(f"{revision!r} cannot be a branch, a tag or a commit")
    if ".." in path.split("/"):
        raise BadLocation(f"the folder {path} leads out of the repository")
    return without_credentials(Location(address.removeprefix("git+"), revision, path.strip("/")))


def without_credentials(location: Location) -> Location:
    """With what stands in the URL in fields of its own. The user of an SSH address is part of it; of an HTTP address it is a secret."""
    if not location.url.startswith(("https://", "http://")):
        return location
    parts = urlsplit(location.url)
    if "@" not in parts.netloc:
        return location
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(SplitResult(parts.scheme, host, parts.path, parts.query, ""))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    # A token alone may stand in the user's place.
    return replace(location, url=url, username=user if password else "git", password=password or user)


def is_commit(revision: str) -> bool:
    """Whether a revision may be a commit, whole or shortened; a branch may have such a name too."""
    return bool(_COMMIT.match(revision))
