"""The commit that a branch, a tag or a shortened commit means, asked of the repository itself."""

import asyncio
import tempfile
from pathlib import Path

from pilothouse.aio.process import Completed, ProcessTimeout, run
from pilothouse.platform.builds.git.clone import SAFE, Cloned, GitFailed, clone
from pilothouse.platform.builds.git.credentials import Credentials, environment
from pilothouse.platform.builds.git.failure import explained
from pilothouse.platform.builds.git.location import Location, is_commit

TIMEOUT_S = 60.0
FETCH_TIMEOUT_S = 600.0
SHOWN = 5
_WHOLE = (40, 64)


async def resolve(location: Location, credentials: Credentials | None = None, ca: str = "") -> str:
    """The whole commit. A branch goes before a tag of the same name, a tag before a shortened commit. Raises GitFailed."""
    revision = location.revision
    with environment(location, credentials, ca) as variables:
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}", f"refs/tags/{revision}^{{}}"] if revision else ["HEAD"]
        refs = await _refs(location, names, variables)
        # The commit that an annotated tag stands for is listed under its name with ^{}.
        for name in (names[0], f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}"):
            if name in refs:
                return refs[name]
        if not revision:
            raise GitFailed(await _no_default(location, variables))
        if is_commit(revision):
            return await _commit(location, variables)
        raise GitFailed(await _no_such(location, variables))


async def checkout(location: Location, folder: Path, credentials: Credentials | None = None, ca: str = "") -> Cloned:
    """Put the files of the location's revision into an empty folder. Raises GitFailed."""
    with environment(location, credentials, ca) as variables:
        return await asyncio.to_thread(clone, location, folder, variables)


async def _refs(location: Location, names: list[str], variables: dict[str, str]) -> dict[str, str]:
    said = await _git(location, ["ls-remote", "--quiet", "--", location.url, *names], variables)
    return {name: commit for line in said.splitlines() for commit, _, name in [line.partition("\t")]}


async def _commit(location: Location, variables: dict[str, str]) -> str:
    """A whole commit is taken as it is; of a shortened one the history alone is fetched to find it."""
    if len(location.revision) in _WHOLE:
        return location.revision
    tips = await _git(location, ["ls-remote", "--quiet", "--", location.url], variables)
    found = {line.split("\t")[0] for line in tips.splitlines() if line.startswith(location.revision)}
    if len(found) == 1:
        return found.pop()
    with tempfile.TemporaryDirectory(prefix="pilothouse-git-") as folder:
        await _git(location, ["clone", "--quiet", "--bare", "--filter=tree:0", "--", location.url, folder], variables)
        wanted = ["-C", folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{location.revision}^{{commit}}"]
        done = await _run([*SAFE, *wanted], variables, TIMEOUT_S)
    if done.returncode != 0:
        raise GitFailed(f"{location.url} has no branch, tag or commit {location.revision}, or several commits that begin so")
    return done.stdout.decode().strip()


async def _no_such(location: Location, variables: dict[str, str]) -> str:
    names = await _branches(location, variables)
    return f"{location.url} has no branch or tag {location.revision}{f'; there are {_listed(names)}' if names else ''}"


async def _no_default(location: Location, variables: dict[str, str]) -> str:
    """A server's HEAD may name a branch that nobody has pushed."""
    names = await _branches(location, variables)
    if not names:
        return f"{location.url} has no commits yet: push one first"
    return f"the default branch of {location.url} has no commits; there are {_listed(names)}: name one, as in {location.url}#{names[0]}"


async def _branches(location: Location, variables: dict[str, str]) -> list[str]:
    heads = await _git(location, ["ls-remote", "--quiet", "--heads", "--", location.url], variables)
    return [line.partition("\trefs/heads/")[2] for line in heads.splitlines()]


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"


async def _git(location: Location, arguments: list[str], variables: dict[str, str]) -> str:
    done = await _run([*SAFE, *arguments], variables, FETCH_TIMEOUT_S)
    if done.returncode != 0:
        raise GitFailed(explained(location.url, done.stderr.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


async def _run(arguments: list[str], variables: dict[str, str], timeout_s: float) -> Completed:
    try:
        return await run(["git", *arguments], timeout_s=timeout_s, env=variables)
    except FileNotFoundError as error:
        raise GitFailed("git is missing on this machine: install it with `apt-get install git`") from error
    except ProcessTimeout as error:
        raise GitFailed(f"git got no answer within {timeout_s:g} s") from error
