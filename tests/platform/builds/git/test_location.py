"""What a user writes for a repository."""

import pytest

from pilothouse.platform.builds.git.location import BadLocation, Location, is_git, parse


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://x.org/shop.git", Location("https://x.org/shop.git")),
        ("https://x.org/shop.git#dev", Location("https://x.org/shop.git", "dev")),
        ("https://x.org/shop.git#feature/a:apps/web/", Location("https://x.org/shop.git", "feature/a", "apps/web")),
        ("https://x.org/shop.git#:web", Location("https://x.org/shop.git", "", "web")),
        ("git@x.org:me/shop.git#v1", Location("git@x.org:me/shop.git", "v1")),
        ("ssh://git@x.org:2222/shop", Location("ssh://git@x.org:2222/shop")),
        ("https://me:t%40k@x.org:8443/shop", Location("https://x.org:8443/shop", username="me", password="t@k")),
        ("https://token@x.org/shop", Location("https://x.org/shop", username="git", password="token")),
    ],
)
def test_an_address_is_taken_apart(text: str, wanted: Location) -> None:
    assert parse(text) == wanted


def test_a_password_is_in_no_url_and_no_representation() -> None:
    found = parse("https://me:secret@x.org/shop#main")
    assert "secret" not in found.url
    assert "secret" not in repr(found)
    assert found.origin == "https://x.org"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file:///srv/shop.git", "a place of this machine"),
        ("https://x.org/a#--upload-pack=x", "cannot be a branch"),
        ("https://x.org/a#main:../b", "leads out of the repository"),
    ],
)
def test_an_address_that_no_build_can_use_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadLocation, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "git"), [("./shop.git", False), ("shop", False), ("/srv/shop.git", False), ("git@x:y", True), ("http://x/y", True)]
)
def test_a_folder_is_told_from_a_repository(text: str, git: bool) -> None:
    assert is_git(text) is git
