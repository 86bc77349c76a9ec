"""Positions of members of both flavours, as decisions compare them."""

import pytest

from pilothouse.platform.databases.mysql.topology.gtid import GtidError, parse

A, B, C = (f"{letter * 8}-1111-2222-3333-444444444444" for letter in "abc")


@pytest.mark.parametrize(
    ("mine", "theirs", "holds"),
    [
        (f"{A}:1-9", f"{A}:1-9", True),
        (f"{A}:1-9,{B}:1", f"{A}:2-9", True),
        (f"{A}:1-9", f"{A}:1-9,{B}:1", False),
        (f"{A}:1-5:7-9", f"{A}:6", False),
        (f"{A}:1-5", "", True),
        ("", f"{A}:1", False),
    ],
)
def test_a_set_covers_another_one_that_is_a_part_of_it(mine: str, theirs: str, holds: bool) -> None:
    assert parse(mine).covers(parse(theirs)) is holds


@pytest.mark.parametrize(
    ("mine", "theirs", "count"),
    [(f"{A}:1-9", f"{A}:1-5:7-20,{B}:1-3", 14), ("0-1-5", "0-2-9", 4), ("0-1-9", "0-2-5", 0), ("", "0-1-7", 7)],
)
def test_what_one_lacks_of_another_is_counted(mine: str, theirs: str, count: int) -> None:
    assert parse(mine).lacks(parse(theirs)) == count


def test_only_transactions_of_a_third_server_show_two_histories_as_the_primary_may_be_seen_earlier_than_its_replica() -> None:
    primary = parse(f"{A}:1-9,{B}:1-4", B.upper())
    assert not primary.contradicts(parse(f"{A}:1-9,{B}:1-7", A)), "the primary wrote these meanwhile"
    assert primary.contradicts(parse(f"{A}:1-10,{B}:1-4", A)), "these nobody will ever send it"
    assert primary.contradicts(parse(f"{C}:1", C))


@pytest.mark.parametrize("text", [f"{A}:x", f"{A}:5-4", "0-1", "0-x-1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(GtidError):
        parse(text)
