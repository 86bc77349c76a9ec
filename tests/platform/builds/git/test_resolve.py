"""A revision becomes the commit that the repository has for it now."""

from pathlib import Path

import pytest

from pilothouse.platform.builds.git.clone import GitFailed
from pilothouse.platform.builds.git.credentials import Credentials, environment
from pilothouse.platform.builds.git.failure import explained
from pilothouse.platform.builds.git.location import Location, parse
from pilothouse.platform.builds.git.resolve import resolve
from tests.platform.builds.git.server import Repository, served


async def test_a_branch_is_followed(repository: Repository, url: str) -> None:
    first = repository.commit({"a": "1"})
    assert await resolve(parse(url)) == await resolve(parse(f"{url}#main")) == first
    second = repository.commit({"a": "2"})
    assert await resolve(parse(url)) == second


async def test_tags_and_shortened_commits_are_found(repository: Repository, url: str) -> None:
    old = repository.commit({"a": "1"})
    repository.inside("tag", "v1")
    repository.inside("tag", "--annotate", "--message", "x", "v1.0")
    repository.inside("push", "--quiet", "--tags")
    tip = repository.commit({"a": "2"})
    assert await resolve(parse(f"{url}#v1")) == await resolve(parse(f"{url}#v1.0")) == old
    assert await resolve(parse(f"{url}#{tip[:8]}")) == tip
    assert await resolve(parse(f"{url}#{old[:9]}")) == await resolve(parse(f"{url}#{old}")) == old


async def test_a_branch_that_is_not_there_names_some_that_are(repository: Repository, url: str) -> None:
    repository.commit({"a": "1"})
    repository.commit({"b": "1"}, "feature")
    with pytest.raises(GitFailed, match="has no branch or tag nosuch; there are feature, main"):
        await resolve(parse(f"{url}#nosuch"))
    with pytest.raises(GitFailed, match="has no branch, tag or commit deadbeef"):
        await resolve(parse(f"{url}#deadbeef"))


async def test_an_empty_repository_says_so(url: str) -> None:
    with pytest.raises(GitFailed, match="has no commits yet"):
        await resolve(parse(url))


async def test_a_repository_whose_default_branch_was_never_pushed_names_those_that_were(repository: Repository, url: str) -> None:
    repository.commit({"a": "1"}, "feature")
    with pytest.raises(GitFailed, match=r"the default branch of \S+ has no commits; there are feature: name one, as in \S+#feature$"):
        await resolve(parse(url))


@pytest.mark.parametrize(
    ("address", "message"), [("{root}/none.git", "is no Git repository"), ("http://127.0.0.1:9/x.git", "nothing answers there")]
)
async def test_what_cannot_be_reached_is_said(tmp_path: Path, address: str, message: str) -> None:
    with served(tmp_path) as root, pytest.raises(GitFailed, match=message):
        await resolve(parse(address.format(root=root)))


async def test_a_private_repository_asks_for_a_password_and_takes_a_token(tmp_path: Path, repository: Repository) -> None:
    commit = repository.commit({"a": "1"})
    with served(tmp_path, "t0ken") as root:
        location = parse(f"{root}/shop.git")
        with pytest.raises(GitFailed, match="asks for a user and a password: put them into a Secret"):
            await resolve(location)
        with pytest.raises(GitFailed, match="asks for a user and a password"):
            await resolve(location, Credentials("git", "wrong"))
        assert await resolve(location, Credentials("git", "t0ken")) == commit


def test_credentials_are_in_files_of_this_user_alone_and_in_no_variable() -> None:
    with environment(Location("https://x.org/a"), Credentials("me", "s3cret", "KEY", "x.org ssh-ed25519 A")) as variables:
        assert not any("s3cret" in value or value == "KEY" for value in variables.values())
        file = Path(variables["GIT_CONFIG_VALUE_1"].partition("=")[2])
        assert file.read_text() == "https://me:s3cret@x.org\n"
        assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
        assert variables["GIT_CONFIG_KEY_1"] == "credential.https://x.org.helper"
        assert "StrictHostKeyChecking=yes" in variables["GIT_SSH_COMMAND"]
    assert not file.exists()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.", "does not accept the SSH key"),
        ("Host key verification failed.\nfatal: Could not read", "`known_hosts`"),
        ("error: cannot run ssh: No such file\nfatal: unable to fork", "there is no ssh"),
        ("fatal: unable to access 'https://x/': SSL certificate problem: self signed", "`ph config set ca FILE`"),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", "its host name is not known"),
        ("fatal: something new\nhint: x", "git cannot fetch from URL: something new"),
        ("", "git gave no reason"),
    ],
)
def test_what_git_says_becomes_one_sentence(said: str, wanted: str) -> None:
    assert wanted in explained("URL", said)
