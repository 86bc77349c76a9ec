"""What detection says of a source tree: how its image is made and which processes run from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.platform.builds.detect.versions import allows, parse

WEB = "web"
RELEASE = "release"


class CannotDetect(Exception):
    """Nothing to make an image from; the message is one sentence with what would help."""


@dataclass(frozen=True, slots=True)
class Process:
    """line: the command as a shell reads it. argv: what a container runs for it, in the image's working directory and environment.

    schedule: five cron fields; "" for a process that runs all the time (and for `release`, which runs once before a rollout).
    """

    line: str
    argv: tuple[str, ...]
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class Detected:
    """language: "python", "node", "static"...; "" for a tree with a Dockerfile of its own.

    why: what was found, a line each. dockerfile: its text; "" when the tree's own is used.
    port: what the web process listens on; None when there is none. processes: by name, `web` included where its command is known.
    health: an HTTP path that answers below 400 when the app can serve, "" when none is named.
    environment: defaults of the app's variables; generated: those that want a random value, required: those that somebody has to give.
    warnings: what the tree has that is not taken, a sentence each.
    """

    language: str
    dockerfile: str
    port: int | None
    why: tuple[str, ...] = ()
    processes: Mapping[str, Process] = field(default_factory=dict)
    health: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    generated: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """Versions of base images that can be had, the preferred one first, such as {"python": ("3.11", "3.13"), "node": "18"}.

    exact: nothing else can be had (stand-ins); otherwise a registry answers, and a version that a tree asks for is taken as asked.
    """

    versions: Mapping[str, str | tuple[str, ...]]
    exact: bool = True

    def preferred(self, image: str, otherwise: str) -> str:
        return next(iter(self.all(image)), otherwise)

    def fitting(self, image: str, asked: str) -> str:
        """The first version in a range, "" when none is."""
        return next((version for version in self.all(image) if allows(asked, version)), "")

    def nearest(self, image: str, asked: str, otherwise: str) -> str:
        """The lowest version that is no older than the first one that `asked` names, else the highest."""
        found = sorted(self.all(image), key=parse)
        named = re.search(r"\d+(?:\.\d+)*", asked)
        wanted = parse(named[0]) if named else ()
        later = (version for version in found if parse(version) >= wanted[: len(parse(version))])
        return next(later, found[-1] if found else otherwise)

    def newest(self, image: str, otherwise: str) -> str:
        return max(self.all(image), key=parse, default=otherwise)

    def all(self, image: str) -> tuple[str, ...]:
        found = self.versions.get(image, ())
        return (found,) if isinstance(found, str) else found
