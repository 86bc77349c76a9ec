"""Tags of images that are named by the version of the program in them: `10.11.19`, and `10.11.19-2` where that was made anew. Pure.

What a tag names never changes, so that who names it goes on with it, and can come back to it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

REPOSITORIES = "bases/versions/"
"""Begins the repositories of such images."""
_TAG = re.compile(r"(\d+(?:\.\d+)*)(?:-(\d+))?")
_DEBIAN = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """numbers: the version's. making: 1, and from 2 on when the same version was made anew. The order is from old to new."""

    numbers: tuple[int, ...]
    making: int = 1

    def __str__(self) -> str:
        return self.version if self.making == 1 else f"{self.version}-{self.making}"

    @property
    def version(self) -> str:
        return ".".join(map(str, self.numbers))

    def is_of(self, version: str) -> bool:
        return is_of(self.version, version)

    def is_older_than(self, version: str) -> bool:
        return self.numbers < numbers_of(version)


def parse(tag: str) -> Tag | None:
    """None for a tag of another form."""
    found = _TAG.fullmatch(tag)
    return Tag(numbers_of(found[1]), int(found[2] or 1)) if found else None


def numbers_of(version: str) -> tuple[int, ...]:
    """version: numbers with dots between them."""
    return tuple(map(int, version.split(".")))


def is_of(version: str, series: str) -> bool:
    """Whether a version begins with another one's numbers: 10.11.19 is of 10.11, and not of 10.1."""
    numbers = numbers_of(series)
    return numbers_of(version)[: len(numbers)] == numbers


def known(tags: Iterable[str]) -> list[Tag]:
    """The tags of this form, from old to new."""
    return sorted(found for tag in tags if (found := parse(tag)) is not None)


def newest(tags: Iterable[Tag], version: str) -> Tag | None:
    """The newest tag of that version."""
    return max((tag for tag in tags if tag.is_of(version)), default=None)


def following(tags: Iterable[Tag], version: str) -> Tag:
    """The tag for another making of a version."""
    made = [tag.making for tag in tags if tag.version == version]
    return Tag(numbers_of(version), max(made, default=0) + 1)


def current(tags: Iterable[Tag]) -> set[Tag]:
    """The newest of each series, which is what versions have in common up to their last number: what a new user is given."""
    found: dict[tuple[int, ...], Tag] = {tag.numbers[:-1]: tag for tag in sorted(tags)}
    return set(found.values())


def upstream(version: str) -> str:
    """The program's version in that of a Debian package: 10.11.19 of `1:10.11.19-0+deb12u1`; "" where it begins with none."""
    found = _DEBIAN.match(version)
    return found[1] if found else ""
