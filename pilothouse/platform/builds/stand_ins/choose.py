"""Which stand-in a public image's name means (pure)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import suites_of
from pilothouse.platform.builds.stand_ins.recipes import JAVA, VERSIONS, recipe
from pilothouse.platform.builds.stand_ins.reference import Reference

_ANY = frozenset({"latest", "lts", "stable", "current", "mainline"})
_SUITES = frozenset({"bookworm", "trixie", "noble", "jammy", "bullseye", "buster", "focal"})
_NEWEST_FIRST = frozenset({"golang"})
"""Of these `latest` and `1` mean the newest there is: modules ask for it, and it builds older ones too."""
_DIGITS = re.compile(r"^\d+(?:\.\d+)*$")
_JAVA_WORDS = re.compile(r"-(?:eclipse-temurin|openjdk|amazoncorretto|ibmjava|sapmachine)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class StandIn:
    """suite: the release whose packages it is made from. version: of the program in it."""

    family: str
    variant: str
    suite: str
    version: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """Names what is made: several tags of a public image are one stand-in."""
        return "-".join(part for part in (self.family, self.variant, self.suite) if part)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A tag taken apart. version: "" for any; java: "" for any; suite: "" for any; variant: what is left."""

    version: str
    suite: str
    java: str
    variant: str


def choose(reference: Reference, host: str) -> StandIn | None:
    """The stand-in for a public image, None when there is none.

    host: the codename of the machine's release. `python:3` and `python:3.11-slim` are interpreters of that release where it has
    them, of its sibling otherwise; `python:3.9` is neither and gets no stand-in.
    """
    asked = _taken_apart(reference)
    if asked is None:
        return None
    for suite in _in_order(reference.family, asked, host):
        version = VERSIONS.get(suite, {}).get(reference.family)
        if version is None or not _fits(asked, suite, version):
            continue
        made = recipe(reference.family, asked.variant, suite)
        if made is not None:
            return StandIn(reference.family, asked.variant, suite, version, made)
    return None


def _in_order(family: str, asked: _Asked, host: str) -> tuple[str, ...]:
    suites = suites_of(host)
    if family not in _NEWEST_FIRST or "." in asked.version:
        return suites
    return tuple(sorted(suites, key=lambda suite: _numbers(VERSIONS.get(suite, {}).get(family, "0")), reverse=True))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _taken_apart(reference: Reference) -> _Asked | None:
    if not reference.family or ":" in reference.tag:
        return None
    java = _JAVA_WORDS.search(reference.tag) if reference.family == "maven" else None
    words = _JAVA_WORDS.sub("", reference.tag).split("-") if java else reference.tag.split("-")
    version = words.pop(0) if words and (_DIGITS.match(words[0]) or words[0] in _ANY) else ""
    suite = next((word for word in words if word in _SUITES), "")
    rest = [word for word in words if word != suite]
    if len(rest) > 1 and rest[0] in ("jdk", "jre"):  # openjdk:17-jdk-slim
        rest = [word for word in rest if word != "slim"]
    return _Asked("" if version in _ANY else version, suite, (java[1] or "") if java else "", "-".join(rest))


def _fits(asked: _Asked, suite: str, version: str) -> bool:
    return (
        asked.suite in ("", suite)
        and (not asked.java or asked.java == JAVA.get(suite))
        and (not asked.version or _same_version(asked.version, version))
    )


def _same_version(asked: str, offered: str) -> bool:
    """`3` and `3.11` and `3.11.2` are the offered 3.11; `3.1` is not."""
    a, b = asked.split("."), offered.split(".")
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared]


def versions(family: str, host: str) -> tuple[str, ...]:
    """What can be had of an image, the machine's own first; none for one that has no recipe."""
    found = (VERSIONS.get(suite, {}).get(family) for suite in suites_of(host))
    return tuple(dict.fromkeys(version for version in found if version))


def families(host: str) -> list[str]:
    return sorted({family for suite in suites_of(host) for family in VERSIONS.get(suite, {})})


def refusal(image: str, host: str) -> str:
    """Why an image cannot be had, and what can: one sentence."""
    reference = Reference.parse(image)
    offered = versions(reference.family, host)
    start = f"base image {image} cannot be had: no registry that holds it can be reached"
    end = "or set a mirror with `ph config set registry.mirror HOST`"
    if offered and "alpine" in reference.tag:
        return f"{start}, and Alpine's packages are not here: use {_named(reference.family, offered, '-slim')}, {end}"
    if offered and ":" in reference.tag:
        return (
            f"{start}, and a digest names one exact image, which no stand-in is: use {_named(reference.family, offered)} without it, {end}"
        )
    if offered and (variant := _unknown_variant(reference, host)):
        return f"{start}, and nothing stands in for its variant {variant}: use {_named(reference.family, offered)}, {end}"
    if offered:
        return f"{start}, and of {reference.family} there is {_named(reference.family, offered)} here: use that, {end}"
    if reference.family == "mysql":
        return f"{start}, and the distribution has no MySQL: use {_named('mariadb', versions('mariadb', host))}, {end}"
    return f"{start}, and nothing stands in for it (there are {', '.join(families(host))}): use one of these, {end}"


def _unknown_variant(reference: Reference, host: str) -> str:
    """The variant of a tag whose version could be had, "" when that is not what is missing."""
    asked = _taken_apart(reference)
    if asked is None or not asked.variant:
        return ""
    fitting = [
        suite for suite in suites_of(host) if (version := VERSIONS.get(suite, {}).get(reference.family)) and _fits(asked, suite, version)
    ]
    return asked.variant if fitting and all(recipe(reference.family, asked.variant, suite) is None for suite in fitting) else ""


def _named(family: str, offered: Iterable[str], suffix: str = "") -> str:
    has_slim = recipe(family, "slim", next(iter(VERSIONS))) is not None
    return " or ".join(f"{family}:{version}{suffix if has_slim else ''}" for version in offered)
