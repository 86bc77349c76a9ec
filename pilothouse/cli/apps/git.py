"""Git sources on the command line: `URL`, `URL#REVISION`, `URL#REVISION:FOLDER`, and the commit that is meant."""

import os
import re
import shutil
import subprocess

import click

TIMEOUT_S = 60
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def split(where: str) -> tuple[str, str, str]:
    """(url, revision, folder); revision and folder may be "" """
    url, _, fragment = where.partition("#")
    revision, _, folder = fragment.partition(":")
    return url, revision, folder.strip("/")


def resolve(url: str, revision: str) -> str | None:
    """The commit that the revision is at this moment; None where only the build can find out: no git here, a short commit.

    Raises ClickException when the repository answers and has no such revision, or does not answer.
    """
    if _COMMIT.fullmatch(revision):
        return revision
    if shutil.which("git") is None:
        return None
    refs = _remote_refs(url)
    names = ["HEAD"] if not revision else [f"refs/heads/{revision}", f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}", revision]
    found = next((refs[name] for name in names if name in refs), None)
    if found is None and not re.fullmatch(r"[0-9a-f]{4,40}", revision):
        raise click.ClickException(_no_such(url, revision, refs))
    return found


def _remote_refs(url: str) -> dict[str, str]:
    """Name -> commit. The URL is an argument after `--` and is never read by a shell."""
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
    command = ["git", "-c", "protocol.ext.allow=never", "ls-remote", "--", url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise click.ClickException(f"{url} does not answer within {TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = [line.removeprefix("fatal: ") for line in done.stderr.splitlines() if line.startswith(("fatal:", "error:", "remote:"))]
        raise click.ClickException(f"the repository {url} cannot be read: {said[0] if said else f'git ended with {done.returncode}'}")
    return {name: commit for commit, _, name in (line.partition("\t") for line in done.stdout.splitlines())}


def _no_such(url: str, revision: str, refs: dict[str, str]) -> str:
    if not revision:
        return f"the repository {url} is empty: push a commit first"
    branches = [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]
    shown = ", ".join(branches[:5]) + (" ..." if len(branches) > 5 else "")
    return f"{url} has no branch, tag or commit {revision!r}; its branches are: {shown or 'none'}"
