import subprocess
from pathlib import Path

import click
import pytest

from pilothouse.cli.apps import git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With branches main and next, and an annotated tag v1 on main's first commit."""
    path = tmp_path / "shop"
    path.mkdir()
    run(path, "init", "--quiet", "--initial-branch", "main", ".")
    commit(path)
    run(path, "tag", "-a", "v1", "-m", "one")
    run(path, "branch", "next")
    return path


def run(path: Path, *args: str) -> str:
    settings = ["-c", "user.name=test", "-c", "user.email=test@example.test"]
    return subprocess.run(["git", *settings, *args], cwd=path, check=True, capture_output=True, text=True).stdout.strip()


def commit(path: Path) -> str:
    run(path, "commit", "--quiet", "--allow-empty", "-m", "change")
    return run(path, "rev-parse", "HEAD")


def test_a_branch_is_the_commit_that_it_points_to_now(repository: Path) -> None:
    url = f"file://{repository}"
    before = git.resolve(url, "main")
    after = commit(repository)
    assert (git.resolve(url, "main"), git.resolve(url, "")) == (after, after)
    assert git.resolve(url, "next") == git.resolve(url, "v1") == before


def test_a_revision_that_does_not_exist_is_refused_with_those_that_do(repository: Path) -> None:
    with pytest.raises(click.ClickException, match="has no branch, tag or commit 'nosuch'; its branches are: main, next"):
        git.resolve(f"file://{repository}", "nosuch")


def test_a_repository_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"the repository file:///.*none cannot be read: "):
        git.resolve(f"file://{tmp_path}/none", "")


def test_a_whole_commit_is_itself_and_a_short_one_is_left_to_the_build(repository: Path) -> None:
    whole = run(repository, "rev-parse", "HEAD")
    assert git.resolve("https://nowhere.invalid/x", whole) == whole
    assert git.resolve(f"file://{repository}", whole[:9]) is None


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ("https://h/x.git", ("https://h/x.git", "", "")),
        ("https://h/x.git#main", ("https://h/x.git", "main", "")),
        ("https://h/x.git#main:apps/web/", ("https://h/x.git", "main", "apps/web")),
        ("https://h/x.git#:web", ("https://h/x.git", "", "web")),
    ],
)
def test_a_git_source_names_revision_and_folder_after_a_hash(where: str, parts: tuple[str, str, str]) -> None:
    assert git.split(where) == parts
