import pytest

from pilothouse.oci.packages.tags import Tag, current, following, is_of, known, newest, parse, upstream

MADE = ["10.11.9", "10.11.18", "10.11.19", "10.11.19-2", "11.8.6", "latest", "made2-builder"]


@pytest.mark.parametrize("tag", ["10.11.19", "10.11.19-2", "9"])
def test_a_tag_is_written_as_it_was_read(tag: str) -> None:
    assert str(parse(tag)) == tag


@pytest.mark.parametrize("tag", ["latest", "10.11-rc", "10..11", "made2-builder", "", "1.2-"])
def test_a_tag_of_another_form_is_none_of_a_version(tag: str) -> None:
    assert parse(tag) is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [("10.11", "10.11.19-2"), ("10.11.18", "10.11.18"), ("10.11.19", "10.11.19-2"), ("11.8", "11.8.6"), ("10.1", ""), ("10.11.20", "")],
)
def test_the_newest_of_a_version_is_found_by_its_numbers(asked: str, found: str) -> None:
    assert str(newest(known(MADE), asked) or "") == found


def test_another_making_of_a_version_gets_a_tag_of_its_own() -> None:
    assert [str(following(known(MADE), version)) for version in ("10.11.19", "10.11.18", "10.11.20")] == [
        "10.11.19-3",
        "10.11.18-2",
        "10.11.20",
    ]


def test_the_newest_of_each_series_is_current() -> None:
    assert current(known(MADE)) == {Tag((10, 11, 19), 2), Tag((11, 8, 6))}


def test_a_version_is_of_those_that_it_begins_with_number_by_number() -> None:
    assert is_of("10.11.19", "10.11")
    assert not is_of("10.11.19", "10.1")
    assert not is_of("10.11", "10.11.19")


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("1:10.11.19-0+deb12u1", "10.11.19"),
        ("1:11.8.9+ds-0+deb13u1", "11.8.9"),
        ("8.0.44-0ubuntu0.24.04.1", "8.0.44"),
        ("1:10.11.13-0ubuntu0.24.04.1", "10.11.13"),
        ("none", ""),
    ],
)
def test_the_programs_version_is_read_out_of_the_packages(package: str, version: str) -> None:
    assert upstream(package) == version
