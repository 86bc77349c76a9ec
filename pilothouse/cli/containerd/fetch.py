"""Fetches containerd from a later release than the machine's: from the machine's own mirror, verified by apt, unpacked beside it.

apt works in a folder of its own, so that the host's package lists and packages stay as they are. Only the standard library is used:
`scripts/setup` runs this with the machine's Python while the packages are still being installed.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from pilothouse.aio.identity import commands
from pilothouse.aio.process import Completed, ProcessFailed, run
from pilothouse.cli.containerd.place import forget_failure, kept, note_failure
from pilothouse.engine.node.runtime.programs import (
    CONTAINERD,
    SHIM,
    UNKNOWN,
    Programs,
    Version,
    choose,
    keeps_output,
    kept_programs,
    shown,
    version_of,
)
from pilothouse.oci.packages import apt

LATER: Mapping[str, str] = {"bookworm": "trixie"}
"""Release of the machine -> one whose containerd keeps output and runs on the machine's C library (it needs glibc 2.34)."""
LIMIT_S = 90.0
"""For index and package together, 43 MB."""
PACKAGE = "containerd"
SCRATCH = "new-"
COPYRIGHT = Path("usr", "share", "doc", PACKAGE, "copyright")
_ONE_INDEX = (
    "Acquire::Languages none;",
    *(f"Acquire::IndexTargets::deb::{name}::DefaultEnabled false;" for name in ("DEP-11", "Contents-deb")),
)


class FetchError(Exception):
    """A later containerd cannot be had: one sentence with the reason."""


def fetch(host: str, folder: Path) -> Programs:
    """The later release's newest containerd, unpacked in a folder of its version below `folder`; what is there already stays.

    host: codename of the machine's release. Raises FetchError. Several may do this at the same time. Not inside an event loop.
    """
    release = LATER.get(host)
    if release is None:
        raise FetchError(f"there is none for {host or 'this release'}; install containerd 1.7.3 or later")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _drop_stale(folder)
        # Beside its place: it is moved there in one step. Readable for the user that apt downloads as.
        with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
            Path(scratch).chmod(0o755)
            return asyncio.run(asyncio.wait_for(_fetch(host, release, folder, Path(scratch)), LIMIT_S))
    except TimeoutError as error:
        raise FetchError(f"the packages of {release} could not be fetched within {LIMIT_S:g} s: look at the network") from error
    except (OSError, ProcessFailed) as error:
        raise FetchError(f"containerd of {release} cannot be unpacked: {error}") from error


def _drop_stale(folder: Path) -> None:
    """What a fetch that was killed has left behind."""
    for each in folder.glob(f"{SCRATCH}*"):
        if time.time() - each.stat().st_mtime > 10 * LIMIT_S:
            shutil.rmtree(each, ignore_errors=True)


async def _fetch(host: str, release: str, folder: Path, scratch: Path) -> Programs:
    lines = apt.for_release(await apt.sources(host), host, release)
    if not lines:
        raise FetchError(f"apt knows no sources of {host}")
    return await download(lines, folder, scratch)


async def download(lines: list[str], folder: Path, scratch: Path) -> Programs:
    """Of the archives in these lines of a sources.list. scratch: an empty folder on the same file system. Raises FetchError."""
    environment = await _environment(scratch, lines)
    updated = await _apt(scratch, environment, "update")
    # A mirror may lack one of the suites: what can be downloaded is signed all the same.
    downloaded = await _apt(scratch, environment, "download", PACKAGE)
    package = _downloaded(scratch)
    if downloaded.returncode != 0 or package is None:
        # An update that has reached nothing succeeds with warnings.
        said = b"".join((updated.stdout, updated.stderr, downloaded.stderr)).decode(errors="replace")
        raise FetchError(apt.reason(said))
    return await _unpack(package, folder, scratch)


def _downloaded(scratch: Path) -> Path | None:
    return next(scratch.glob(f"{PACKAGE}_*.deb"), None)


async def _apt(scratch: Path, environment: Mapping[str, str], *words: str) -> Completed:
    return await run(["apt-get", "-q", *words], timeout_s=LIMIT_S, env=environment, cwd=scratch)


async def _environment(scratch: Path, lines: list[str]) -> dict[str, str]:
    """Of an apt that has its own state and cache, and the host's keys, proxies and certificates."""
    for name in ("lists/partial", "archives/partial", "parts"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources.list").write_text("\n".join(lines) + "\n")
    settings = [
        f'Dir::Etc::parts "{scratch}/parts";',
        'Dir::Etc::main "/dev/null";',
        f'Dir::Etc::sourcelist "{scratch}/sources.list";',
        'Dir::Etc::sourceparts "/dev/null";',
        f'Dir::State::lists "{scratch}/lists";',
        f'Dir::State::status "{scratch}/status";',
        f'Dir::Cache "{scratch}";',
        'Acquire::http::Timeout "10";',
        'Acquire::https::Timeout "10";',
        *_ONE_INDEX,
        *await apt.settings(),
    ]
    (scratch / "apt.conf").write_text("\n".join(settings) + "\n")
    return {**os.environ, "APT_CONFIG": str(scratch / "apt.conf"), "LC_ALL": "C"}


async def _unpack(package: Path, folder: Path, scratch: Path) -> Programs:
    (await run(["dpkg-deb", "--extract", package, scratch / "whole"], timeout_s=LIMIT_S)).check()
    chosen = scratch / "chosen"
    chosen.mkdir()
    for each in (Path("usr", "bin", CONTAINERD), Path("usr", "bin", SHIM), COPYRIGHT):
        (scratch / "whole" / each).rename(chosen / each.name)
    version = await version_of(chosen / CONTAINERD)
    if not keeps_output(version):
        raise FetchError(f"its containerd is {shown(version)}")
    target = folder / package.name.split("_")[1]
    if await version_of(target / CONTAINERD) == UNKNOWN:
        shutil.rmtree(target, ignore_errors=True)  # what an interruption has left, if there is anything
    try:
        chosen.rename(target)
    except OSError:
        if not target.exists():  # else it has been fetched before, or by somebody else meanwhile
            raise
    return Programs(target, version)


def drop_unused(folder: Path, newest: Path) -> None:
    """Delete the versions that are neither the newest nor run: as a containerd, or as the shim of a container."""
    running = {Path(words[0]).parent for _, words in commands()}
    for each in kept_programs(folder):
        if each.folder is not None and each.folder != newest and each.folder not in running:
            shutil.rmtree(each.folder, ignore_errors=True)


def codename() -> str:
    """Of the machine's release; "" where there is none."""
    lines = Path("/etc/os-release").read_text().splitlines() if Path("/etc/os-release").exists() else []
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")), "")


def lost(version: Version, why: str) -> str:
    """The sentence about what the machine's own containerd loses. why: there is no later one."""
    return (
        f"containerd {shown(version)} of this machine loses the end of a container's output when the container ends while it writes, "
        f"and a later one cannot be had: {why}"
    )


def main(prefix: str) -> int:
    """For scripts/setup: fetch the newest where the machine's own loses output, into the Python environment at `prefix`."""
    folder = kept(prefix)
    own = asyncio.run(choose(None))
    if own.keeps_output:
        return 0
    try:
        fetched = fetch(codename(), folder)
    except FetchError as error:
        note_failure(folder)
        sys.stderr.write(f"{lost(own.version, str(error))}\n")
        return 1
    forget_failure(folder)
    assert fetched.folder is not None
    drop_unused(folder, fetched.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
