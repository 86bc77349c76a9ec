"""Base images made from Debian packages, for machines that reach no image registry.

A stand-in is made once with mmdebstrap from the machine's own package sources and kept in the platform's registry under
`bases/REGISTRY/NAME:TAG`, where builds look when the public registry is out of reach. The builder's own image is made alike.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from pilothouse.model.errors import ApiError
from pilothouse.oci.packages.bootstrap import BootstrapError, rootfs_of
from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import UnknownRelease, suite
from pilothouse.oci.registry import Registry
from pilothouse.platform.builds.stand_ins.choose import StandIn, choose, refusal
from pilothouse.platform.builds.stand_ins.recipes import BUILDER as BUILDER_RECIPE
from pilothouse.platform.builds.stand_ins.recipes import BUILDER_SUITES
from pilothouse.platform.builds.stand_ins.reference import Reference

log = structlog.get_logger("platform.builds")

BUILDER = "pilothouse.local/builder:2"
COMMONEST = "python:3-slim"
MADE = "made2"
"""Begins the tags under which what was made is kept. Counted up when a recipe changes what it makes, so that it is made anew."""


class BaseError(Exception):
    """A base image that cannot be had: one sentence with the name and the way out."""


class Bases:
    """Makes stand-ins on demand and puts them into the registry; each once, a second caller waits for the first."""

    def __init__(self, registry: str, scratch: Path) -> None:
        self.registry = registry
        self.scratch = scratch
        self._locks: dict[str, asyncio.Lock] = {}

    def place(self, image: str) -> str:
        """Where `ensure` puts an image."""
        reference = Reference.parse(image)
        return f"{self.registry}/{reference.stored}:{reference.tag}"

    async def ensure(self, image: str, told: Callable[[str], None] = lambda _: None) -> str:
        """Make `image` available in the registry; returns its name there. Raises BaseError when nothing stands in for it."""
        reference = Reference.parse(image)
        if image == BUILDER:
            return await self._ensure_builder(reference, told)
        found = choose(reference, _host())
        if found is None:
            raise BaseError(refusal(image, _host()))
        text = f"making a stand-in for {image} ({found.family} {found.version} from the packages of {found.suite}): about a minute, once"
        try:
            await self._provide(reference, found.name, found.suite, _labelled(found), lambda: told(text))
        except BootstrapError as error:
            raise BaseError(f"base image {image} cannot be made: {error}") from error
        return self.place(image)

    async def _ensure_builder(self, reference: Reference, told: Callable[[str], None]) -> str:
        """From the release with the newest builder whose packages can be had."""
        suites = BUILDER_SUITES.get(_host(), (_host(),))
        for number, release in enumerate(suites, 1):
            try:
                text = f"making the builder from the packages of {release}: about a minute, once"
                await self._provide(reference, "builder", release, BUILDER_RECIPE, lambda text=text: told(text))  # type: ignore[misc]
            except BootstrapError as error:
                if number == len(suites):
                    raise BaseError(f"the builder cannot be made: {error}") from error
                log.warning("builder not made", suite=release, error=str(error))
            else:
                break
        return self.place(BUILDER)

    async def _provide(self, reference: Reference, name: str, release: str, recipe: Recipe, begins: Callable[[], None]) -> None:
        """`3`, `3.11` and `latest` are one image under several tags."""
        made = f"{MADE}-{name}"
        async with Registry(self.registry) as registry:
            if not await registry.has_manifest(reference.stored, made):
                begins()
                async with self._locks.setdefault(name, asyncio.Lock()):
                    if not await registry.has_manifest(reference.stored, made):
                        await self._make(registry, reference.stored, made, release, recipe)
            digest, manifest = await registry.manifest(reference.stored, made)
            if await registry.digest(reference.stored, reference.tag) != digest:
                await registry.put_manifest(reference.stored, reference.tag, manifest)

    async def warm(self, *, stand_ins: bool) -> None:
        """Make what the first build will ask for before it asks: the builder's image and, where they are needed, the commonest base."""
        wanted = [BUILDER, COMMONEST] if stand_ins else [BUILDER]
        for result in await asyncio.gather(*map(self.ensure, wanted), return_exceptions=True):
            if isinstance(result, BaseError | ApiError):
                log.warning("base image not made ahead", error=str(result))
            elif isinstance(result, BaseException):
                log.error("base image not made ahead", exc_info=result)

    async def _make(self, registry: Registry, repository: str, tag: str, release: str, recipe: Recipe) -> None:
        async with rootfs_of(recipe, release, self.scratch) as rootfs:
            await registry.push_image(repository, tag, rootfs, recipe.image_config())


def _host() -> str:
    """The machine's release. Raises BaseError."""
    try:
        return suite()
    except UnknownRelease as error:
        raise BaseError(str(error)) from error


def _labelled(found: StandIn) -> Recipe:
    return found.recipe.labelled({"dev.pilothouse.stand-in": f"{found.family} {found.version} from the packages of {found.suite}"})
