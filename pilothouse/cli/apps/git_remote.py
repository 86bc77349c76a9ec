"""`ph git-remote`: a repository to push to. A push builds and deploys the app, and is refused when that fails.

The repository's hook runs while git still holds the pushed objects apart, so a refused push leaves no trace.
"""

import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import click

from pilothouse.cli import names, output
from pilothouse.cli.apps.values import checked
from pilothouse.cli.session import NAMESPACE, Session, pass_session

BRANCHES = ("refs/heads/main", "refs/heads/master")
GIT_TIMEOUT_S = 60


@click.command()
@click.argument("app", callback=checked("name"), shell_complete=names.apps)
@NAMESPACE
@pass_session
def git_remote(session: Session, /, app: str, namespace: str) -> None:
    """Make a Git repository that deploys the app when its branch main or master is pushed.

    Its address is printed; it is a folder of this machine, reached from others as USER@HOST:FOLDER.

    \b
    Examples:
      git remote add pilothouse "$(ph git-remote shop)"
      git push pilothouse main
    """
    folder = session.home.path / "git" / namespace / f"{app}.git"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _git("init", "--quiet", "--bare", "--initial-branch", "main", str(folder))
        hook = folder / "hooks" / "pre-receive"
        hook.write_text(_hook(session, app, namespace))
        hook.chmod(0o700)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be made: {error.strerror or error}") from error
    output.note(f"git remote add pilothouse {shlex.quote(str(folder))} && git push pilothouse main")
    click.echo(folder)


def _hook(session: Session, app: str, namespace: str) -> str:
    """The same program and the same instance as now, whoever pushes."""
    return f"#!/bin/sh\nexec {shlex.join([*_program(session), 'git-receive', app, '-n', namespace])}\n"


def _program(session: Session) -> list[str]:
    """This `ph`. -P: it runs in the folder of the source, whose modules are not its own."""
    start = "from pilothouse.cli.main import main; main()"
    return [sys.executable, "-P", "-c", start, "--home", str(session.home.path), "--kubeconfig", str(session.kubeconfig)]


@click.command(hidden=True)
@click.argument("app", callback=checked("name"), shell_complete=names.apps)
@NAMESPACE
@pass_session
def git_receive(session: Session, /, app: str, namespace: str) -> None:
    """What the repository's hook runs: git writes `OLD NEW REF` lines to its standard input. Exit code 0 lets the push in."""
    commit = pushed(sys.stdin.read())
    with tempfile.TemporaryDirectory(prefix="pilothouse-push-") as folder:
        source = Path(folder, app)
        source.mkdir()
        _unpack(commit, source)
        sys.exit(subprocess.run(_deploy(session, app, namespace), cwd=source, env=_without_git(), check=False).returncode)


def pushed(lines: str) -> str:
    """The commit to deploy; raises ClickException for a push that deploys nothing."""
    found = {ref: new for _, new, ref in (line.split(" ", 2) for line in lines.splitlines() if line)}
    branch = next((name for name in BRANCHES if name in found), None)
    if branch is None or len(found) > 1:
        raise click.ClickException(
            f"{', '.join(sorted(found)) or 'nothing'} was pushed: push main alone, as in `git push pilothouse HEAD:main`"
        )
    if set(found[branch]) == {"0"}:
        raise click.ClickException("a branch cannot be deleted here: `ph delete` removes the app")
    return found[branch]


def _deploy(session: Session, app: str, namespace: str) -> list[str]:
    return [*_program(session), "deploy", ".", "--name", app, "--namespace", namespace]


def _unpack(commit: str, folder: Path) -> None:
    """The commit's files. Raises ClickException for a link that leads out of them."""
    with tempfile.NamedTemporaryFile(prefix="pilothouse-push-", suffix=".tar") as archive:
        _git("archive", "--format=tar", f"--output={archive.name}", commit)
        with tarfile.open(archive.name) as tar:
            try:
                tar.extractall(folder, filter="data")
            except tarfile.FilterError as error:
                raise click.ClickException(
                    f"{error.tarinfo.name} is a link that leads out of the source: take it out, or copy the file"
                ) from error


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, timeout=GIT_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise click.ClickException("git is missing on this machine: install it with `apt-get install git`") from error
    if done.returncode != 0:
        raise click.ClickException(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _without_git() -> dict[str, str]:
    """The environment of a hook names the repository, which is not the source."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
