import hashlib
import os
import tarfile
from pathlib import Path

import click
import pytest

from pilothouse.cli.apps import source


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
    assert names(tree) == ["a", "app.py", "web"]


@pytest.mark.parametrize(("rules", "sent", "said"), [("*.md\n", [], [".env", ".env.local"]), ("!.env\n", [".env"], [".env.local"])])
def test_secrets_stay_behind_unless_a_line_takes_them_back(tmp_path: Path, rules: str, sent: list[str], said: list[str]) -> None:
    tree = grown(tmp_path, ".env", ".env.local", ".env.example")
    (tree / ".dockerignore").write_text(rules)
    assert names(tree) == sorted([".dockerignore", ".env.example", *sent])
    assert source.secrets_left_out(tree) == said


def test_a_dockerfiles_own_rules_go_before_those_of_the_tree(tmp_path: Path) -> None:
    tree = grown(tmp_path, "Dockerfile", "api/Dockerfile", "app.py", "secret.pem")
    (tree / ".dockerignore").write_text("app.py\n")
    (tree / "api/Dockerfile.dockerignore").write_text("secret*\nDockerfile\n.dockerignore\n")
    found = [path.relative_to(tree).as_posix() for path in source.files(tree, "api/Dockerfile")]
    assert sorted(found) == ["api", "api/Dockerfile", "api/Dockerfile.dockerignore", "app.py"]


def test_folders_belong_to_the_source_empty_ones_too(tmp_path: Path) -> None:
    tree = grown(tmp_path, "app.py")
    (tree / "data/empty").mkdir(parents=True)
    assert names(tree) == ["app.py", "data", "data/empty"]


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
    assert digest(one) == digest(two)
    (two / "app.py").write_text("changed")
    assert digest(one) != digest(two)


def test_modes_links_and_owners_are_as_they_must_be(tmp_path: Path) -> None:
    tree = grown(tmp_path, "run.sh", "app.py", "folder/x")
    (tree / "run.sh").chmod(0o750)
    (tree / "app.py").chmod(0o640)
    (tree / "link").symlink_to("app.py")
    (tree / "folder-link").symlink_to("folder")
    os.mkfifo(tree / "pipe")
    with source.packed(tree) as archive, tarfile.open(archive) as tar:
        found = {info.name: info for info in tar.getmembers()}
    assert set(found) == {"run.sh", "app.py", "folder", "folder/x", "link", "folder-link"}
    assert (found["run.sh"].mode, found["app.py"].mode) == (0o750, 0o640)
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


def test_a_file_that_cannot_be_read_is_named_and_one_that_is_gone_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app.py").touch()
    monkeypatch.setattr(source, "files", lambda *_: iter([tmp_path / "app.py", tmp_path / "gone"]))
    with source.packed(tmp_path) as archive, tarfile.open(archive) as tar:
        assert tar.getnames() == ["app.py"]
    monkeypatch.setattr(source, "files", lambda *_: iter([tmp_path / "app.py" / "below"]))
    with pytest.raises(click.ClickException, match=r"below cannot be read: Not a directory; .* \.dockerignore"), source.packed(tmp_path):
        pass
