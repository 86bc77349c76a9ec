import hashlib
import os
import tarfile
from pathlib import Path

import click
import pytest

from pilothouse.cli.apps import source
from pilothouse.cli.apps.source import Ignore


@pytest.mark.parametrize(
    ("text", "left_out", "kept"),
    [
        ("*.md", ["README.md"], ["docs/README.md", "README.txt"]),
        ("**/*.md", ["README.md", "docs/a/b.md"], ["README.txt"]),
        ("*/temp*", ["a/temp", "a/temporary.txt", "a/temp/x"], ["temp", "a/b/temp"]),
        ("*/*/temp*", ["a/b/temp"], ["a/temp"]),
        ("temp?", ["tempa", "tempb"], ["temp", "tempab", "a/tempa"]),
        ("docs", ["docs", "docs/a", "docs/a/b"], ["mydocs", "a/docs"]),
        ("docs/", ["docs/a"], ["mydocs"]),
        ("/docs", ["docs/a"], ["a/docs"]),
        ("./docs", ["docs/a"], []),
        ("docs/**", ["docs/a", "docs/a/b"], ["docs"]),
        ("**/node_modules", ["node_modules/x", "a/b/node_modules/x"], ["node_modules2"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/b/zz"]),
        ("*.[ch]", ["x.c", "x.h"], ["x.cc", "x.o"]),
        ("v[^0-9]", ["va"], ["v1"]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("# comment\n\n  *.log  ", ["x.log"], ["# comment"]),
        ("*.md\n!README.md", ["x.md"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["x.md"], ["README-secret.md"]),
        ("docs\n!docs/keep.txt", ["docs/a"], ["docs/keep.txt"]),
        ("**\n!src", ["a", "b/c"], ["src", "src/app.py"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_dockerignore_means_what_it_means_to_docker(text: str, left_out: list[str], kept: list[str]) -> None:
    rules = Ignore(text)
    assert [path for path in left_out if not rules.leaves_out(path)] == []
    assert [path for path in kept if rules.leaves_out(path)] == []


def grown(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def names(tree: Path) -> list[str]:
    return [path.relative_to(tree).as_posix() for path in source.files(tree)]


def test_without_a_dockerignore_histories_and_environments_are_left_out(tmp_path: Path) -> None:
    tree = grown(tmp_path, "app.py", ".git/HEAD", "web/node_modules/x/i.js", ".venv/bin/python", "a/__pycache__/a.pyc", ".env")
    assert names(tree) == [".env", "app.py"]


def test_the_dockerfile_is_sent_whatever_is_ignored(tmp_path: Path) -> None:
    tree = grown(tmp_path, "Dockerfile", "app.py", "x/y", "docs/keep", "docs/drop")
    (tree / ".dockerignore").write_text("*\n!app.py\n!docs/keep\n")
    assert names(tree) == [".dockerignore", "Dockerfile", "app.py", "docs/keep"]


def digest(tree: Path) -> str:
    with source.packed(tree) as archive:
        return hashlib.sha256(archive.read_bytes()).hexdigest()


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    one = grown(tmp_path / "one", "app.py", "b/c", "a/d")
    two = grown(tmp_path / "two", "a/d", "b/c", "app.py")
    os.utime(two / "app.py", (1, 1))
    (two / "a/d").chmod(0o600)
    assert digest(one) == digest(two)
    (two / "app.py").write_text("changed")
    assert digest(one) != digest(two)


def test_modes_links_and_owners_are_as_they_must_be(tmp_path: Path) -> None:
    tree = grown(tmp_path, "run.sh", "app.py", "folder/x")
    (tree / "run.sh").chmod(0o750)
    (tree / "link").symlink_to("app.py")
    (tree / "folder-link").symlink_to("folder")
    os.mkfifo(tree / "pipe")
    with source.packed(tree) as archive, tarfile.open(archive) as tar:
        found = {info.name: info for info in tar.getmembers()}
    assert set(found) == {"run.sh", "app.py", "folder/x", "link", "folder-link"}
    assert (found["run.sh"].mode, found["app.py"].mode) == (0o755, 0o644)
    assert (found["link"].linkname, found["folder-link"].linkname) == ("app.py", "folder")
    assert {(info.uid, info.gid, info.uname, info.mtime) for info in found.values()} == {(0, 0, "", 1_000_000_000)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("shop", "shop"),
        ("/home/ann/My Shop_2/", "my-shop-2"),
        ("https://git.example.org/team/Shop.git", "shop"),
        ("git@git.example.org:team/web.git", "web"),
        ("x" * 60, "x" * 40),
    ],
)
def test_an_app_is_named_after_its_source(given: str, expected: str) -> None:
    assert source.name_from(given) == expected


@pytest.mark.parametrize("given", ["123", "...", "/"])
def test_a_source_that_gives_no_name_asks_for_one(given: str) -> None:
    with pytest.raises(click.UsageError, match="--name"):
        source.name_from(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://x/y", True),
        ("git@x:y", True),
        ("ssh://x/y", True),
        ("file:///x", True),
        ("../y.git", True),
        ("./shop", False),
        (".", False),
    ],
)
def test_git_urls_are_told_from_folders(given: str, expected: bool) -> None:
    assert source.is_git_url(given) is expected
