"""`git push` to an app."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pilothouse.cli.apps.git_remote import _unpack, pushed
from pilothouse.cli.main import ph
from tests.platform.builds.git.server import Repository

NEW = "a" * 40


def test_main_or_master_is_deployed() -> None:
    assert pushed(f"{'0' * 40} {NEW} refs/heads/main\n") == pushed(f"{'b' * 40} {NEW} refs/heads/master\n") == NEW


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f"{'0' * 40} {NEW} refs/heads/feature\n", "refs/heads/feature was pushed: push main alone"),
        (f"{'0' * 40} {NEW} refs/heads/main\n{'0' * 40} {NEW} refs/tags/v1\n", "push main alone"),
        (f"{NEW} {'0' * 40} refs/heads/main\n", "a branch cannot be deleted here"),
    ],
)
def test_other_pushes_deploy_nothing_and_are_refused(lines: str, message: str) -> None:
    with pytest.raises(click.ClickException, match=message):
        pushed(lines)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    done = CliRunner().invoke(ph, ["--home", str(tmp_path / "home"), "git-remote", "shop"])
    assert done.exit_code == 0
    return Path(done.stdout.strip())


def test_a_push_is_refused_with_the_reason_when_its_deploy_fails(remote: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit({"app.py": "x"})
    push = ["git", "-C", str(repository.tree), "push", str(remote), "main"]
    done = subprocess.run(push, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode != 0
    assert "there is no cluster at" in done.stderr
    assert "pre-receive hook declined" in done.stderr
    assert repository.git("-C", str(remote), "branch", "--list") == ""


def test_a_push_that_is_deployed_is_let_in_and_its_files_are_the_source(remote: Path, tmp_path: Path) -> None:
    """A program that stands in for ours, and only lists where it runs."""
    hook = remote / "hooks/pre-receive"
    assert "git-receive shop -n default" in hook.read_text()
    script = tmp_path / "deploys.py"
    script.write_text(
        "import pilothouse.cli.apps.git_remote as g, sys\n"
        "from pilothouse.cli.main import ph\n"
        "g._deploy = lambda *_: ['sh', '-c', 'ls; env | grep -c ^GIT_']\n"
        "ph(['git-receive', 'shop'])\n"
    )
    hook.write_text(f"#!/bin/sh\n{sys.executable} {script}; exit 0\n")
    repository = Repository(tmp_path)
    commit = repository.commit({"app.py": "x", "web/index.html": ""})
    done = subprocess.run(["git", "-C", str(repository.tree), "push", str(remote), "main"], capture_output=True, text=True, timeout=50)
    assert [line.removeprefix("remote: ").strip() for line in done.stderr.splitlines() if line.startswith("remote")] == [
        "app.py",
        "web",
        "0",
    ]
    assert repository.git("-C", str(remote), "rev-parse", "main") == commit


def test_making_it_again_keeps_what_was_pushed(remote: Path, tmp_path: Path) -> None:
    again = CliRunner().invoke(ph, ["--home", str(tmp_path / "home"), "git-remote", "shop"])
    assert again.stdout.strip() == str(remote)


def test_a_namespace_is_no_path(tmp_path: Path) -> None:
    done = CliRunner().invoke(ph, ["--home", str(tmp_path / "home"), "git-remote", "shop", "-n", "../../x"])
    assert (done.exit_code, "no name of a namespace" in done.output, (tmp_path / "x").exists()) == (2, True, False)


def test_a_link_out_of_the_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path)
    (repository.tree / "passwords").symlink_to("/etc/passwd")
    commit = repository.commit({"app.py": "x"})
    monkeypatch.chdir(repository.tree)
    (tmp_path / "out").mkdir()
    with pytest.raises(click.ClickException, match="passwords is a link that leads out of the source"):
        _unpack(commit, tmp_path / "out")
