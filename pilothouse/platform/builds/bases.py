"""Base images made from Debian packages, for machines that reach no image registry.

A recipe stands in for a public image that a Dockerfile names in FROM: same name, and what people rely on in it (a `python`
with pip and venv, a `node` user with id 1000). It is made once with mmdebstrap from the host's own package sources and
kept in the platform's registry under `bases/REGISTRY/NAME:TAG`, where builds look when the public registry is out of reach.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from pilothouse.aio.process import run
from pilothouse.model.json import Object
from pilothouse.oci.registry import Registry
from pilothouse.platform.builds import apt

log = structlog.get_logger("platform.builds")

BUILDER = "pilothouse.local/builder:1"
COMMONEST = "python:3-slim"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MERGED_USR = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")
"""Makes the merged /usr beforehand: without it a package with the whole of Perl does (10 s of 50)."""
_SLIM = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class BaseError(Exception):
    """A base image that cannot be had: one sentence with the name and the way out."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """packages: Debian's; hooks: mmdebstrap `--customize-hook` lines, fixed texts of this module; config: the image's config."""

    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()
    config: Object = field(default_factory=dict)


_PYTHON_HOOKS = (
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    'ln -s /usr/bin/python3 "$1"/usr/local/bin/python3',
    'ln -s python3 "$1"/usr/local/bin/python',
)
_COMPILERS = ("build-essential", "curl", "git", "libffi-dev", "libssl-dev", "pkg-config", "zlib1g-dev")
_PYTHON = ("python3", "python3-pip", "python3-venv", "ca-certificates")
_NODE = ("nodejs", "npm", "ca-certificates")
_NODE_HOOKS = ('chroot "$1" useradd --uid 1000 --user-group --create-home --shell /bin/bash node',)
_CMD_PYTHON: Object = {"Cmd": ["python3"]}
_CMD_NODE: Object = {"Cmd": ["node"]}

RECIPES: dict[str, Recipe] = {
    "debian": Recipe(("ca-certificates",), config={"Cmd": ["bash"]}),
    "python-slim": Recipe(_PYTHON, _PYTHON_HOOKS, _CMD_PYTHON),
    "python": Recipe((*_PYTHON, "python3-dev", *_COMPILERS), _PYTHON_HOOKS, _CMD_PYTHON),
    "node-slim": Recipe(_NODE, _NODE_HOOKS, _CMD_NODE),
    "node": Recipe((*_NODE, "python3", *_COMPILERS), _NODE_HOOKS, _CMD_NODE),
    "builder": Recipe(("buildah", "crun", "fuse-overlayfs", "ca-certificates", "git", "curl")),
}
_SUFFIX = re.compile(r"-(?:slim-)?(?:bookworm|trixie|noble|bullseye|buster)(?:-slim)?$|-slim$")


@dataclass(frozen=True, slots=True)
class Reference:
    """An image name taken apart: `python:3.11` is docker.io, library/python, 3.11."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, name: str) -> "Reference":
        """Docker's rules: a first part with a dot, a colon or `localhost` is a registry; no tag means latest; a digest is a tag here."""
        rest, _, digest = name.partition("@")
        head, slash, tail = rest.partition("/")
        explicit = bool(slash) and ("." in head or ":" in head or head == "localhost")
        registry, path = (head, tail) if explicit else ("docker.io", rest)
        repository, _, tag = path.partition(":")
        if registry == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, digest or tag or "latest")

    @property
    def stored(self) -> str:
        """The repository in the platform's registry that holds the stand-in."""
        return f"bases/{self.registry}/{self.repository}"


def recipe_for(reference: Reference, versions: dict[str, str]) -> str | None:
    """The recipe that can stand in for a public image, None when there is none.

    versions: what the host's distribution has, such as {"python": "3.11", "node": "18", "debian": "12"}: `python:3` and
    `python:3.11-slim` are the same interpreter, `python:3.9` is not and gets no stand-in.
    """
    if reference.registry != "docker.io" or not reference.repository.startswith("library/"):
        return None
    family = reference.repository.removeprefix("library/")
    if family not in ("python", "node", "debian"):
        return None
    slim = "slim" in reference.tag
    version = _SUFFIX.sub("", reference.tag)
    offered = versions[family]
    fits = version in ("latest", "slim", "lts", "stable", "bookworm", "bookworm-slim", "stable-slim") or _same_version(version, offered)
    if not fits:
        return None
    return family if family == "debian" else f"{family}-slim" if slim else family


def _same_version(asked: str, offered: str) -> bool:
    """`3` and `3.11` and `3.11.2` are the offered 3.11; `3.1` is not."""
    a, b = asked.split("."), offered.split(".")
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared]


def offered_versions() -> dict[str, str]:
    """What the host's own distribution packages have, from its release file."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().replace('"', "").splitlines() if "=" in line)
    noble = release.get("VERSION_CODENAME") == "noble"
    return {"python": "3.12" if noble else "3.11", "node": "18", "debian": release.get("VERSION_ID", "12")}


def suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise BaseError("/etc/os-release names no VERSION_CODENAME: base images can be made on Debian and Ubuntu only")


class Bases:
    """Makes stand-ins on demand and puts them into the registry; each recipe once, a second caller waits for the first."""

    def __init__(self, registry: str, scratch: Path) -> None:
        self.registry = registry
        self.scratch = scratch
        self._locks: dict[str, asyncio.Lock] = {}

    async def ensure(self, image: str, told: Callable[[str], None] = lambda _: None) -> str:
        """Make `image` available in the registry; returns its name there. Raises BaseError when no recipe stands in for it."""
        reference = Reference.parse(image)
        recipe = "builder" if image == BUILDER else recipe_for(reference, offered_versions())
        name = f"{self.registry}/{reference.stored}:{reference.tag}"
        async with Registry(self.registry) as registry:
            if await registry.has_manifest(reference.stored, reference.tag):
                return name
            if recipe is None:
                raise BaseError(no_stand_in(image))
            made = f"made-{recipe}"
            if not await registry.has_manifest(reference.stored, made):
                told(f"making {image} from the distribution's packages: about a minute, once")
            async with self._locks.setdefault(recipe, asyncio.Lock()):
                if not await registry.has_manifest(reference.stored, made):
                    await self._make(registry, reference.stored, made, RECIPES[recipe])
            # `3`, `3.11` and `latest` are one image under several tags.
            _, manifest = await registry.manifest(reference.stored, made)
            await registry.put_manifest(reference.stored, reference.tag, manifest)
        return name

    async def warm(self, *, stand_ins: bool) -> None:
        """Make what the first build will ask for before it asks: the builder's image and, where they are needed, the commonest base."""
        wanted = [BUILDER, COMMONEST] if stand_ins else [BUILDER]
        for result in await asyncio.gather(*map(self.ensure, wanted), return_exceptions=True):
            if isinstance(result, BaseException):
                log.warning("base image not made ahead", error=str(result))

    async def _make(self, registry: Registry, repository: str, tag: str, recipe: Recipe) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            rootfs = Path(folder, f"{tag}.tar")
            await bootstrap(recipe, rootfs, Path(folder))
            config = {"Env": [f"PATH={_PATH}", "LANG=C.UTF-8"], **recipe.config}
            await registry.push_image(repository, tag, rootfs, config)


def no_stand_in(image: str) -> str:
    versions = ", ".join(f"{family}:{version}" for family, version in sorted(offered_versions().items()))
    return (
        f"base image {image} cannot be had: no registry that holds it is reachable and no recipe stands in for it "
        f"(there are {versions} and their -slim variants); use one of these or set a mirror with `ph config set registry.mirror HOST`"
    )


async def bootstrap(recipe: Recipe, rootfs: Path, scratch: Path) -> None:
    """A root file system as a tar, made with the host's apt sources, proxy and certificates."""
    if shutil.which("mmdebstrap") is None:
        raise BaseError("mmdebstrap is missing: install it with `apt-get install mmdebstrap`")
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--quiet",
        f"--include={','.join(recipe.packages)}",
        "--dpkgopt=force-unsafe-io",
    ]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in _SLIM]
    if await asyncio.to_thread(_MERGED_USR.is_dir):
        argv.append(f"--hook-dir={_MERGED_USR}")
    argv += [f"--customize-hook={hook}" for hook in recipe.hooks]
    argv += await _apt_options(scratch)
    environment = {**os.environ, "TMPDIR": str(scratch), "SOURCE_DATE_EPOCH": "0"}
    done = await run([*argv, suite(), str(rootfs), *await _mirror(scratch)], timeout_s=900, env=environment)
    if done.returncode != 0:
        last = "; ".join(done.stderr.decode(errors="replace").strip().splitlines()[-3:])
        raise BaseError(f"mmdebstrap could not make a base image: {last}")


async def _apt_options(scratch: Path) -> list[str]:
    lines = await apt.settings()
    if not lines:
        return []
    path = scratch / "apt.conf"
    await asyncio.to_thread(path.write_text, "\n".join(lines) + "\n")
    return [f"--aptopt={path}"]


async def _mirror(scratch: Path) -> list[str]:
    """The host's sources as a file; nothing lets mmdebstrap choose the distribution's own mirror."""
    lines = await apt.sources(suite())
    if not lines:
        return []
    path = scratch / "sources.list"
    await asyncio.to_thread(path.write_text, "\n".join(lines) + "\n")
    return [str(path)]
