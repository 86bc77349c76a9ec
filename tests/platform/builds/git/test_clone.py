"""The files of a revision, however the server gives them out."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.platform.builds.git.clone import Cloned, GitFailed
from pilothouse.platform.builds.git.credentials import Credentials
from pilothouse.platform.builds.git.location import parse
from pilothouse.platform.builds.git.resolve import checkout
from tests.platform.builds.git.server import Repository, served


async def copied(address: str, folder: Path, credentials: Credentials | None = None) -> Cloned:
    folder.mkdir()
    return await checkout(parse(address), folder, credentials)


async def test_branches_tags_and_commits_are_checked_out(repository: Repository, url: str, tmp_path: Path) -> None:
    old = repository.commit({"app.py": "1", "web/index.html": "x"})
    repository.inside("tag", "--annotate", "--message", "x", "v1")
    repository.inside("push", "--quiet", "--tags")
    tip = repository.commit({"app.py": "2"})
    for number, (revision, commit) in enumerate([("", tip), ("main", tip), ("v1", old), (old, old), (old[:8], old)]):
        assert (await copied(f"{url}#{revision}", tmp_path / str(number))).commit == commit
        assert (tmp_path / str(number) / "app.py").read_text() == ("2" if commit == tip else "1")


@pytest.mark.parametrize("revision", ["", "main"])
async def test_a_server_that_gives_no_shallow_copies_is_fetched_whole(repository: Repository, tmp_path: Path, revision: str) -> None:
    """Any web server can hold a repository as files."""
    commit = repository.commit({"app.py": "1"})
    repository.git("-C", str(repository.bare), "update-server-info")
    server = ("python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "0")
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*server, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=null)
    try:
        assert process.stdout is not None
        port = (await process.stdout.readline()).split()[5].decode()
        assert (await copied(f"http://127.0.0.1:{port}/shop.git#{revision}", tmp_path / "copy")).commit == commit
    finally:
        process.kill()
        await process.wait()


async def test_submodules_come_with_the_source(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    inner, outer = Repository(tmp_path / "a"), Repository(tmp_path / "b")
    inner.commit({"lib.py": "inner"})
    with served(tmp_path) as root:
        outer.inside("submodule", "--quiet", "add", f"{root}/a/shop.git", "lib")
        outer.commit({"app.py": "outer"})
        await copied(f"{root}/b/shop.git", tmp_path / "copy")
        assert (tmp_path / "copy/lib/lib.py").read_text() == "inner"
        outer.inside("config", "--file", ".gitmodules", "submodule.lib.url", f"{root}/none.git")
        outer.commit({})
        with pytest.raises(GitFailed, match=r"a submodule cannot be fetched: .*none.git is no Git repository"):
            await copied(f"{root}/b/shop.git", tmp_path / "again")


async def test_large_files_elsewhere_are_spoken_of(repository: Repository, url: str, tmp_path: Path) -> None:
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    repository.commit({"models/.gitattributes": attributes, "models/a.bin": "version https://git-lfs\n", "b.bin": "x"})
    note = "kept in Git LFS and not fetched: the source has a pointer of a few lines instead"
    assert (await copied(url, tmp_path / "copy")).notes == (f"models/a.bin is {note}",)


async def test_attributes_of_large_files_without_such_files_are_no_note(repository: Repository, url: str, tmp_path: Path) -> None:
    repository.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "app.py": "1"})
    assert (await copied(url, tmp_path / "copy")).notes == ()


async def test_a_token_opens_a_private_repository_and_stays_out_of_the_copy(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"app.py": "1"})
    with served(tmp_path, "t0ken") as root:
        await copied(f"{root}/shop.git", tmp_path / "copy", Credentials("git", "t0ken"))
    assert "t0ken" not in (tmp_path / "copy/.git/config").read_text()


async def test_what_is_not_there_is_said(repository: Repository, url: str, tmp_path: Path) -> None:
    repository.commit({"app.py": "1"})
    with pytest.raises(GitFailed, match="has no branch, tag or commit nosuch"):
        await copied(f"{url}#nosuch", tmp_path / "copy")
