"""Query strings are read as upstream reads them."""

import pytest

from pilothouse.engine.apiserver.request import query
from pilothouse.model.errors import BadRequest, Invalid
from tests.cpu import takes_under


def test_what_cannot_be_decoded_is_dropped() -> None:
    assert query.parse("a=%zz&b=1;c=2&d=3&&e") == {"d": ["3"], "e": [""]}


@pytest.mark.parametrize(
    ("text", "expected"), [("watch", True), ("watch=frob", True), ("watch=0", False), ("watch=false", False), ("", False)]
)
def test_anything_but_false_and_zero_is_true(text: str, expected: bool) -> None:
    assert query.boolean(query.parse(text), "watch") is expected


def test_a_number_that_is_none_is_refused_in_the_words_of_go() -> None:
    with pytest.raises(BadRequest, match=r'strconv.ParseInt: parsing "x": invalid syntax'):
        query.integer(query.parse("limit=x"), "limit")


def test_only_all_is_a_dry_run() -> None:
    assert query.write_options(query.parse("dryRun=All"), "CreateOptions").dry_run
    with pytest.raises(Invalid) as caught:
        query.write_options(query.parse("dryRun="), "CreateOptions")
    assert caught.value.causes[0].field == "dryRun"


@pytest.mark.parametrize(
    ("text", "is_apply", "expected"),
    [
        ("fieldManager=me&fieldValidation=Strict", False, []),
        ("fieldManager=me", True, []),
        ("", True, ["fieldManager"]),
        ("force=false&dryRun=x&fieldValidation=y", False, ["force", "dryRun", "fieldValidation"]),
        ("dryRun=x&fieldValidation=y", True, ["fieldManager", "dryRun", "fieldValidation"]),
        (f"fieldManager={'%C3%BC' * 65}", False, ["fieldManager"]),
    ],
)
def test_all_that_is_wrong_with_the_options_of_a_patch_is_told_at_once(text: str, is_apply: bool, expected: list[str]) -> None:
    try:
        query.patch_options(query.parse(text), is_apply=is_apply)
        found = []
    except Invalid as error:
        found = [cause.field for cause in error.causes]
    assert found == expected


def test_durations_are_those_of_go() -> None:
    assert query.timeout_s(query.parse("timeout=1m30s")) == 90
    with pytest.raises(BadRequest):
        query.timeout_s(query.parse("timeout=frob"))


@pytest.mark.parametrize(("name", "value"), [("limit", "9" * 60_000), ("timeout", "9" * 60_000)])
def test_endless_numbers_are_refused_at_once_and_not_repeated_whole(name: str, value: str) -> None:
    read = query.integer if name == "limit" else lambda found, _: query.timeout_s(found)
    with takes_under(0.5), pytest.raises(BadRequest) as caught:
        read(query.parse(f"{name}={value}"), name)
    assert len(caught.value.message) < 500
