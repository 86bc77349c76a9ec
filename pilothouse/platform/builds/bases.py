"""Base images made from Debian packages, for machines that reach no image registry.

A stand-in is made once with mmdebstrap from the machine's own package sources and kept in the platform's registry under
`bases/REGISTRY/NAME:TAG`, where builds look when the public registry is out of reach. The builder's own image is made alike.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from pilothouse.model.errors import ApiError
from pilothouse.oci.registry import Registry
from pilothouse.platform.builds.stand_ins.bootstrap import BootstrapError, bootstrap
from pilothouse.platform.builds.stand_ins.choose import StandIn, choose, refusal
from pilothouse.platform.builds.stand_ins.recipes import BUILDER as BUILDER_RECIPE
from pilothouse.platform.builds.stand_ins.recipes import BUILDER_SUITES, PATH, Recipe
from pilothouse.platform.builds.stand_ins.reference import Reference

log = structlog.get_logger("platform.builds")

BUILDER = "pilothouse.local/builder:2"
COMMONEST = "python:3-slim"
MADE = "made2"
"""Begins the tags under which what was made is kept. Counted up when a recipe changes what it makes, so that it is made anew."""


class BaseError(Exception):
    """A base image that cannot be had: one sentence with the name and the way out."""


def suite() -> str:
    """The codename of the machine's release. Raises BaseError where there is none."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise BaseError("/etc/os-release names no VERSION_CODENAME: base images can be made on Debian and Ubuntu only")


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
        found = choose(reference, suite())
        if found is None:
            raise BaseError(refusal(image, suite()))
        text = f"making a stand-in for {image} ({found.family} {found.version} from the packages of {found.suite}): about a minute, once"
        try:
            await self._provide(reference, found.name, found.suite, _labelled(found), lambda: told(text))
        except BootstrapError as error:
            raise BaseError(f"base image {image} cannot be made: {error}") from error
        return self.place(image)

    async def _ensure_builder(self, reference: Reference, told: Callable[[str], None]) -> str:
        """From the release with the newest builder whose packages can be had."""
        suites = BUILDER_SUITES.get(suite(), (suite(),))
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
        async with _scratch_folder(self.scratch) as folder:
            rootfs = folder / f"{tag}.tar"
            await bootstrap(recipe, suite=release, host=suite(), rootfs=rootfs, scratch=folder)
            own = recipe.config.get("Env", ())
            path = [] if any(each.startswith("PATH=") for each in own) else [f"PATH={PATH}"]
            await registry.push_image(repository, tag, rootfs, {**recipe.config, "Env": [*path, "LANG=C.UTF-8", *own]})


@asynccontextmanager
async def _scratch_folder(parent: Path) -> AsyncIterator[Path]:
    """A folder for the block. It may hold a whole distribution, whose removal must not stop the event loop."""
    folder = await asyncio.to_thread(_new_folder, parent)
    try:
        yield folder
    finally:
        # An error while cleaning up would take the place of a cancellation.
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _new_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent))


def _labelled(found: StandIn) -> Recipe:
    label = f"{found.family} {found.version} from the packages of {found.suite}"
    return Recipe(
        found.recipe.packages,
        found.recipe.hooks,
        found.recipe.config | {"Labels": {"dev.pilothouse.stand-in": label}},
        found.recipe.files,
        found.recipe.minimal,
    )
