"""The files of one revision of a repository, with its submodules (standard library alone: it runs in builds too)."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.platform.builds.git.failure import explained
from pilothouse.platform.builds.git.location import Location

TIMEOUT_S = 600
# No transport that runs commands, and no repositories of this machine in the place of submodules.
SAFE = ("-c", "protocol.ext.allow=never", "-c", "protocol.file.allow=user", "-c", "advice.detachedHead=false")


class GitFailed(Exception):
    """One sentence: the repository, what is wrong, and the way out."""


@dataclass(frozen=True, slots=True)
class Cloned:
    """commit: whole. notes: what the copy lacks, a sentence each."""

    commit: str
    notes: tuple[str, ...] = ()


def clone(location: Location, folder: Path, variables: Mapping[str, str]) -> Cloned:
    """Into an empty folder, as little history as the server allows. variables: git's environment. Raises GitFailed."""
    git = _Git(location, folder, variables)
    git.checked("init", "--quiet")
    git.checked("remote", "add", "origin", location.url)
    commit = git.fetched(location.revision or "HEAD")
    git.checked("checkout", "--quiet", "--detach", commit)
    if (folder / ".gitmodules").is_file():
        git.add_submodules()
    return Cloned(commit, git.large_files())


class _Git:
    def __init__(self, location: Location, folder: Path, variables: Mapping[str, str]) -> None:
        self.location = location
        self.folder = folder
        self.variables = dict(variables)

    def run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["git", *SAFE, "-C", str(self.folder), *arguments],
                env=self.variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise GitFailed("git is missing on this machine: install it with `apt-get install git`") from error
        except subprocess.TimeoutExpired as error:
            raise GitFailed(f"{self.location.url} took longer than {TIMEOUT_S} s to fetch") from error

    def checked(self, *arguments: str) -> str:
        done = self.run(arguments)
        if done.returncode != 0:
            raise GitFailed(explained(self.location.url, done.stderr))
        return done.stdout.strip()

    def fetched(self, revision: str) -> str:
        """Bring a revision here; returns its commit."""
        if self.run(["fetch", "--quiet", "--depth", "1", "--no-tags", "--", "origin", revision]).returncode == 0:
            return self.checked("rev-parse", "--verify", "FETCH_HEAD^{commit}")
        # Not every server gives out a commit by its number, or without its history.
        self.checked("fetch", "--quiet", "--", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        if revision == "HEAD":
            self.run(["remote", "set-head", "origin", "--auto"])
        for name in (f"refs/remotes/origin/{revision}", f"refs/tags/{revision}", revision):
            found = self.run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"])
            if found.returncode == 0:
                return found.stdout.split()[-1]
        raise GitFailed(f"{self.location.url} has no branch, tag or commit {revision}")

    def add_submodules(self) -> None:
        update = ["submodule", "--quiet", "update", "--init", "--recursive"]
        if self.run([*update, "--depth", "1"]).returncode == 0:
            return
        done = self.run(update)
        if done.returncode != 0:
            address = re.search(r"clone of '([^']+)' into submodule path", done.stderr)
            raise GitFailed(f"a submodule cannot be fetched: {explained(address[1] if address else self.location.url, done.stderr)}")

    def large_files(self) -> tuple[str, ...]:
        """A note of the files that Git LFS keeps, by the attributes of every folder."""
        found = [path for path in self.run(["ls-files", "-z", "--", ":(attr:filter=lfs)"]).stdout.split("\0") if path]
        if not found:
            return ()
        several = f"{len(found)} files, such as {found[0]}, are" if len(found) > 1 else f"{found[0]} is"
        return (f"{several} kept in Git LFS and not fetched: the source has a pointer of a few lines instead",)
