"""Root file systems by mmdebstrap, with the machine's own proxy and certificates, and its package sources where it has the release's."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.aio.process import ProcessTimeout, run
from pilothouse.oci.packages import apt
from pilothouse.oci.packages.archives import archive_of, signed
from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import SHIPS_MERGED_USR, suites_of
from pilothouse.oci.packages.release import suite as host_suite

_MERGED_USR = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")
"""Makes the merged /usr beforehand: without it a package with the whole of Perl does (10 s of 50)."""
_SLIM = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_MANUALS = 'for section in 1 2 3 4 5 6 7 8; do mkdir -p "$1"/usr/share/man/man$section; done'
"""Alternatives link manual pages: without the folders the packages of Java cannot be set up."""
_LIMIT_S = 900
_OWN_MOUNTS = ("unshare", "--mount", "--")
"""What mmdebstrap mounts goes with it, also when it is killed: the machine never sees it."""


class BootstrapError(Exception):
    """One sentence with the reason and, where one is known, the way out."""


@asynccontextmanager
async def rootfs_of(recipe: Recipe, suite: str, parent: Path) -> AsyncIterator[Path]:
    """For the block, the root file system of a recipe as a tar in a folder of its own below `parent`. Raises BootstrapError."""
    folder = await asyncio.to_thread(_new_folder, parent)
    try:
        rootfs = folder / "rootfs.tar"
        await bootstrap(recipe, suite=suite, host=host_suite(), rootfs=rootfs, scratch=folder)
        yield rootfs
    finally:
        # It may hold a whole distribution, whose removal must not stop the event loop; an error here would take a cancellation's place.
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _new_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent))


async def bootstrap(recipe: Recipe, *, suite: str, host: str, rootfs: Path, scratch: Path) -> None:
    """Write a root file system as a tar. suite: the release to make it from; host: the machine's own; scratch: for temporary files."""
    if shutil.which("mmdebstrap") is None:
        raise BootstrapError("mmdebstrap is missing: install it with `apt-get install mmdebstrap`")
    argv = [*_options(recipe, suite), *await _files(recipe, scratch), *await _apt_options(scratch)]
    environment = {**os.environ, "TMPDIR": str(scratch), "SOURCE_DATE_EPOCH": "0"}
    try:
        done = await run([*argv, suite, str(rootfs), *await _mirror(suite, host, scratch)], timeout_s=_LIMIT_S, env=environment)
    except ProcessTimeout as error:
        raise BootstrapError(f"the packages of {suite} could not be installed within {_LIMIT_S} s: look at the network") from error
    if done.returncode != 0:
        raise BootstrapError(f"the packages of {suite} cannot be installed: {apt.reason(done.stderr.decode(errors='replace'))}")


def _options(recipe: Recipe, suite: str) -> list[str]:
    variant = "extract" if recipe.minimal else "minbase"
    argv = [*_OWN_MOUNTS, "mmdebstrap", "--mode=root", f"--variant={variant}", "--quiet", f"--include={','.join(recipe.packages)}"]
    argv += ["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={pattern}" for pattern in (*_SLIM, *recipe.left_out))]
    if _MERGED_USR.is_dir() and not recipe.minimal and suite not in SHIPS_MERGED_USR:
        argv.append(f"--hook-dir={_MERGED_USR}")
    when = "extract" if recipe.minimal else "customize"  # what is only extracted is never customized
    if not recipe.minimal:
        argv.append(f"--essential-hook={_MANUALS}")
    return [*argv, *(f"--{when}-hook={hook}" for hook in recipe.hooks)]


async def _files(recipe: Recipe, scratch: Path) -> list[str]:
    """The recipe's own files, put in place after everything is installed."""
    hooks: list[str] = []
    for number, (target, text) in enumerate(recipe.files.items()):
        path = scratch / f"file-{number}"
        await asyncio.to_thread(path.write_text, text)
        mode = "0755" if text.startswith("#!") else "0644"
        hooks += [f'--customize-hook=install -D -m {mode} "{path}" "$1{target}"']
    return hooks


async def _apt_options(scratch: Path) -> list[str]:
    lines = await apt.settings()
    if not lines:
        return []
    path = scratch / "apt.conf"
    await asyncio.to_thread(path.write_text, "\n".join(lines) + "\n")
    return [f"--aptopt={path}"]


async def _mirror(suite: str, host: str, scratch: Path) -> list[str]:
    """The sources as a file; nothing lets mmdebstrap choose the distribution's own mirror."""
    lines = await (_own(suite, host) if suite in suites_of(host) else _foreign(suite, scratch))
    if not lines:
        return []
    path = scratch / "sources.list"
    await asyncio.to_thread(path.write_text, "\n".join(lines) + "\n")
    return [str(path)]


async def _own(suite: str, host: str) -> list[str]:
    """The machine's, for another release of its distribution if asked."""
    return apt.for_release(await apt.sources(host), host, suite)


async def _foreign(suite: str, scratch: Path) -> list[str]:
    """Of another distribution: a mirror that the machine's own sources name, else its archive; believed by its own key in either case."""
    archive = archive_of(suite)
    if archive is None:
        return []
    key = scratch / archive.key
    await asyncio.to_thread(key.write_text, archive.key_text())
    return signed(await apt.sources(suite) or list(archive.lines(suite)), str(key))
