"""Images of a program in its own versions, made from packages and kept in the platform's registry.

A distribution's archive has one version of a program in each of its releases, the newest. So what was made is kept under a tag with its
full version (see `tags`): a series such as 10.11 means the newest that is there, and a newer one is made when somebody names it.
One that was made by another recipe than today's is made anew when somebody asks for its version, and stays for those who have it.
What nobody names and is not the newest of its series is freed by the registry's garbage collection.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from pilothouse.model.errors import ApiError
from pilothouse.oci.packages import tags
from pilothouse.oci.packages.bootstrap import BootstrapError, rootfs_of
from pilothouse.oci.packages.installed import installed
from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import UnknownRelease, suite, suites_of
from pilothouse.oci.packages.tags import Tag
from pilothouse.oci.registry import Registry, digest_of_file

log = structlog.get_logger("oci.packages")

AGAIN_S = 3600.0
"""The archive is looked into for a newer version as often as that, whatever is asked for."""
VERSION_LABEL = "org.opencontainers.image.version"
PACKAGE_LABEL = "dev.pilothouse.package"
RECIPE_LABEL = "dev.pilothouse.recipe"


class ImageError(Exception):
    """An image that cannot be had: one sentence with the name and the way out."""


@dataclass(frozen=True, slots=True)
class Program:
    """name: of its images. package: the one whose version is theirs. series: release of a distribution -> what versions begin with.

    elsewhere: releases of other distributions, whose packages every machine may take (see `archives`).
    """

    name: str
    package: str
    series: Mapping[str, str]
    recipe: Recipe
    elsewhere: tuple[str, ...] = ()

    @property
    def repository(self) -> str:
        return f"{tags.REPOSITORIES}{self.name}"

    def offered(self, host: str) -> dict[str, str]:
        """Series -> the release that it is made from, on a machine of the release `host`, whose own series comes first."""
        found: dict[str, str] = {}
        for release in (*suites_of(host), *self.elsewhere):
            if release in self.series:
                found.setdefault(self.series[release], release)
        return found

    def series_of(self, version: str, host: str) -> str:
        """The series of a version, the machine's own for ""; raises ImageError where there is none."""
        offered = self.offered(host)
        for series in offered:
            if not version or tags.is_of(version, series):
                return series
        if not offered:
            raise ImageError(
                f"an image of {self.name} cannot be made from the packages of {host}, but from those of {', '.join(self.series)}"
            )
        have = " and ".join(f"{release} have {each}" for each, release in offered.items())
        raise ImageError(f"an image of {self.name} {version} cannot be made, since the packages of {have}: use {' or '.join(offered)}")


@dataclass(frozen=True, slots=True)
class Image:
    """reference: by which nodes pull it; what it names never changes. version: of the program in it, in full."""

    reference: str
    version: str


class ProgramImages:
    """Makes a program's images on demand and puts them into the registry; each once, a second caller waits for the first.

    registry: its address. scratch: a folder for what is being made, of this process alone.
    """

    def __init__(self, program: Program, registry: str, scratch: Path) -> None:
        self.program = program
        self.registry = registry
        self.scratch = scratch
        self._locks: dict[str, asyncio.Lock] = {}
        self._looked: dict[str, float] = {}
        self._recipes: dict[Tag, str] = {}

    async def ensure(self, version: str = "", told: Callable[[str], None] = lambda _: None) -> Image:
        """The newest image of a version or of a series, made when there is none. version: "" for the machine's own series.

        told: hears one sentence when it has to be made, which takes about a minute. Raises ImageError, ApiError.
        """
        host = _host()
        series = self.program.series_of(version, host)
        wanted = version or series
        async with Registry(self.registry) as registry:
            found = tags.newest(await self._known(registry), wanted)
            if found is None or not await self._is_of_recipe(registry, found):
                async with self._locks.setdefault(series, asyncio.Lock()):
                    found = await self._made(registry, series, wanted, told)
        return self._image(found)

    async def renew(self, series: str, told: Callable[[str], None] = lambda _: None) -> Image:
        """An image of what the packages of a series are today; the one that is there where they are the same. Raises as `ensure`."""
        async with Registry(self.registry) as registry, self._locks.setdefault(series, asyncio.Lock()):
            return self._image(await self._make(registry, series, told))

    async def warm(self) -> None:
        """Make the machine's own series before somebody asks for it and waits."""
        try:
            await self.ensure()
        except (ImageError, ApiError) as error:
            log.warning("image not made ahead", program=self.program.name, error=str(error))

    async def _known(self, registry: Registry) -> list[Tag]:
        return tags.known(await registry.tags(self.program.repository))

    async def _made(self, registry: Registry, series: str, wanted: str, told: Callable[[str], None]) -> Tag:
        """An image by today's recipe, or the one of that version that is there when none can be made."""
        known = await self._known(registry)
        kept, there = tags.newest(known, wanted), tags.newest(known, series)
        if kept is not None and (not self._may_look(series) or await self._is_of_recipe(registry, kept)):
            return kept
        if there is None or kept is not None or (there.is_older_than(wanted) and self._may_look(series)):
            there = await self._make_unless_kept(registry, series, kept, told)
        if not there.is_of(wanted) and kept is None:
            raise ImageError(await self._refusal(registry, series, wanted, there))
        return there if there.is_of(wanted) or kept is None else kept

    async def _make_unless_kept(self, registry: Registry, series: str, kept: Tag | None, told: Callable[[str], None]) -> Tag:
        """An archive that cannot be reached is no reason to refuse what is there."""
        try:
            return await self._make(registry, series, told)
        except ImageError as error:
            if kept is None:
                raise
            self._looked[series] = time.monotonic()
            log.warning("image not made anew", program=self.program.name, kept=str(kept), error=str(error))
            return kept

    async def _is_of_recipe(self, registry: Registry, tag: Tag) -> bool:
        if tag not in self._recipes:
            self._recipes[tag] = await self._recipe_of(registry, tag)
        return self._recipes[tag] == self.program.recipe.identity

    async def _recipe_of(self, registry: Registry, tag: Tag) -> str:
        """The identity of the recipe that an image was made by; "" where it does not say."""
        _, manifest = await registry.manifest(self.program.repository, str(tag))
        document = json.loads(await registry.blob(self.program.repository, manifest["config"]["digest"]))
        return str((document["config"].get("Labels") or {}).get(RECIPE_LABEL, ""))

    def _may_look(self, series: str) -> bool:
        return time.monotonic() - self._looked.get(series, -AGAIN_S) >= AGAIN_S

    async def _refusal(self, registry: Registry, series: str, wanted: str, there: Tag) -> str:
        kept = dict.fromkeys(tag.version for tag in await self._known(registry) if tag.is_of(series))
        packages = f"the packages of {self.program.offered(_host())[series]} have {there.version}"
        return f"an image of {self.program.name} {wanted} cannot be made, since {packages}: use {' or '.join(kept)}"

    async def _make(self, registry: Registry, series: str, told: Callable[[str], None]) -> Tag:
        release = self.program.offered(_host())[series]
        told(f"making an image of {self.program.name} {series} from the packages of {release}: about a minute, once")
        try:
            async with rootfs_of(self.program.recipe, release, self.scratch) as rootfs:
                self._looked[series] = time.monotonic()
                package = (await asyncio.to_thread(installed, rootfs))[self.program.package]
                return await self._push(registry, self._version(package, series, release), package, rootfs)
        except (BootstrapError, OSError) as error:
            raise ImageError(f"an image of {self.program.name} {series} cannot be made: {error}") from error

    def _version(self, package: str, series: str, release: str) -> str:
        version = tags.upstream(package)
        if not tags.is_of(version, series):
            why = f"the machine's sources of {release} have {self.program.package} {package}"
            raise ImageError(f"an image of {self.program.name} {series} cannot be made, since {why}: look at them with `apt-cache policy`")
        return version

    async def _push(self, registry: Registry, version: str, package: str, rootfs: Path) -> Tag:
        """What is the same as the last image of the version is that image."""
        known = await self._known(registry)
        last, digest = tags.newest(known, version), await asyncio.to_thread(digest_of_file, rootfs)
        if last is not None and await self._is_of_recipe(registry, last) and await self._layer(registry, last) == digest:
            return last
        tag, own = tags.following(known, version), self.program.recipe
        labels = {VERSION_LABEL: version, PACKAGE_LABEL: f"{self.program.package} {package}", RECIPE_LABEL: own.identity}
        recipe = own.labelled(labels)
        await registry.push_image(self.program.repository, str(tag), rootfs, recipe.image_config())
        log.info("image made", program=self.program.name, tag=str(tag), package=package)
        return tag

    async def _layer(self, registry: Registry, tag: Tag) -> str:
        """The digest of an image's one layer."""
        _, manifest = await registry.manifest(self.program.repository, str(tag))
        return str(manifest["layers"][0]["digest"])

    def _image(self, tag: Tag) -> Image:
        return Image(f"{self.registry}/{self.program.repository}:{tag}", tag.version)


def _host() -> str:
    """The machine's release. Raises ImageError."""
    try:
        return suite()
    except UnknownRelease as error:
        raise ImageError(str(error)) from error
