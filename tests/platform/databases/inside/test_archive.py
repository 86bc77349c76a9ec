"""What of an archive counts, and what of it leads to a point."""

from collections.abc import Iterator

import pytest

from pilothouse.platform.databases.inside.archive.groups import Clock
from pilothouse.platform.databases.inside.archive.runs import Link, behind, index_of, runs
from pilothouse.platform.databases.inside.archive.segment import Group, Name, Section, encode, sections
from pilothouse.platform.databases.inside.outcome import Failure
from pilothouse.platform.databases.inside.restore.select import Target, target, transactions


def names(*places: str) -> list[Name]:
    """Such as `-5`, `5-9`: from and to which number."""
    ends = [place.split("-") for place in places]
    return [Name(number, _gtid(after), _gtid(last)) for number, (after, last) in enumerate(ends, 1)]


def _gtid(number: str) -> str:
    """Numbers of a second server have an apostrophe."""
    return f"0-{2 if chr(39) in number else 1}-{number.rstrip(chr(39))}" if number else ""


def shown(found: list[list[Link]]) -> list[list[str]]:
    return [[f"{link.name.after.rpartition('-')[2]}-{link.last.rpartition('-')[2]}" for link in run] for run in found]


@pytest.mark.parametrize(
    ("written", "counts"),
    [
        (("-5", "5-9", "9-12"), [["-5", "5-9", "9-12"]]),
        (("-5", "5-9", "7-10'"), [["-5", "5-7", "7-10"]]),
        (("-5", "5-9", "5-10'"), [["-5", "5-10"]]),
        (("-5", "5-9", "9-12", "7-8'", "8'-9'"), [["-5", "5-7", "7-8", "8-9"]]),
        (("-5", "20-25", "25-30"), [["-5"], ["20-25", "25-30"]]),
        (("-5", "-7'"), [["-7"]]),
    ],
)
def test_a_later_segment_says_what_of_earlier_ones_counts(written: tuple[str, ...], counts: list[list[str]]) -> None:
    assert shown(runs(names(*written))) == counts


@pytest.mark.parametrize(("at", "run", "numbers"), [("0-1-7", 0, [2]), ("0-1-22", 1, [3]), ("0-1-9", 0, [])])
def test_a_backup_goes_on_in_the_run_that_has_its_position(at: str, run: int, numbers: list[int]) -> None:
    found = runs(names("-5", "5-9", "20-25"))
    assert index_of(found, at) == run
    assert [link.name.number for link in behind(found[run], at)] == numbers


def test_a_position_in_a_gap_is_in_no_run() -> None:
    assert index_of(runs(names("-5", "5-9", "20-25")), "0-1-12") is None


ARCHIVED = {
    1: [Group(f"0-1-{number}", number * 1_000_000) for number in (1, 2, 3)],
    2: [Group(f"0-1-{number}", number * 1_000_000) for number in (4, 5)],
}


def selected(start: str, wanted: Target, until: tuple[int, str] = (0, ""), written: tuple[str, ...] = ("-3", "3-5")) -> list[str]:
    """Each transaction in a section of its own."""

    def read(link: Link) -> Iterator[Section]:
        return ((b"", [group]) for group in ARCHIVED[link.name.number])

    found = transactions(runs(names(*written)), start, until, wanted, read)
    return [group.gtid for _, groups in found for group in groups]


@pytest.mark.parametrize(
    ("start", "wanted", "expected"),
    [
        ("", Target(gtid="0-1-2"), ["0-1-1", "0-1-2"]),
        ("0-1-2", Target(gtid="0-1-4"), ["0-1-3", "0-1-4"]),
        ("0-1-2", Target(time_us=4_999_999), ["0-1-3", "0-1-4"]),
        ("0-1-2", Target(time_us=2_500_000), []),
        ("0-1-2", Target(time_us=5_000_000), ["0-1-3", "0-1-4", "0-1-5"]),
    ],
)
def test_transactions_up_to_the_point_are_chosen(start: str, wanted: Target, expected: list[str]) -> None:
    assert selected(start, wanted) == expected


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("0-1-2", Target(gtid="0-1-9")),
        ("0-1-4", Target(gtid="0-1-2")),
        ("0-1-2", Target(time_us=5_000_001)),
        ("0-1-8", Target(gtid="0-1-9")),
    ],
)
def test_a_point_that_is_not_there_is_refused(start: str, wanted: Target) -> None:
    with pytest.raises(Failure) as told:
        selected(start, wanted)
    assert (told.value.reason, told.value.final) == ("OutsideLogs", True)


def test_an_archive_without_a_change_reaches_as_far_as_it_says() -> None:
    assert selected("0-1-4", Target(time_us=60_000_000), until=(60_000_000, "0-1-5")) == ["0-1-5"]
    with pytest.raises(Failure):
        selected("0-1-4", Target(time_us=60_000_000), until=(60_000_000, "0-1-9"))


def test_a_time_in_a_gap_is_refused_with_those_that_can_be_had() -> None:
    written = ("-3", "4-5")
    assert selected("0-1-1", Target(time_us=3_000_000), (60_000_000, "0-1-5"), written) == ["0-1-2", "0-1-3"]
    for wanted in (Target(time_us=3_500_000), Target(time_us=4_500_000), Target(gtid="0-1-5")):
        with pytest.raises(Failure) as told:
            selected("0-1-1", wanted, (60_000_000, "0-1-5"), written)
        assert "between the backup and 1970-01-01T00:00:03.000000Z" in told.value.message
        assert "from 1970-01-01T00:00:04.000000Z on" in told.value.message


@pytest.mark.parametrize(("time", "us"), [("1970-01-01T00:00:01Z", 1_000_000), ("1970-01-01T00:00:01.25Z", 1_250_000)])
def test_times_count_to_the_microsecond(time: str, us: int) -> None:
    assert target(time, "") == Target(time_us=us)


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(Failure, match="is no time in UTC"):
        target(wrong, "")


def test_a_segment_is_read_as_it_was_written() -> None:
    groups = [Group("0-1-1", 5, b"first"), Group("0-1-2", 6, b"second")]
    data = encode(b"format", groups) + encode(b"other", groups[:1])
    assert list(sections(data[at : at + 3] for at in range(0, len(data), 3))) == [(b"format", groups), (b"other", groups[:1])]
    for cut in (len(data) - 1, len(encode(b"format", groups)) + 2):
        with pytest.raises(ValueError, match="cut off"):
            list(sections([data[:cut]]))


@pytest.mark.parametrize("name", [Name(7, "0-1-5", "0-1-9,1-2-3"), Name(60, "", "0-1-9", 1)])
def test_a_segments_name_is_read_as_it_was_written(name: Name) -> None:
    assert Name.read(name.text) == name
    assert Name.read("until") is None


def test_moments_are_those_of_arrival_once_the_archive_keeps_up() -> None:
    now = [100_000_000]
    clock = Clock(lambda: now[0])
    assert clock.moment_us(40) == 41_000_000
    now[0] = 100_300_000
    assert clock.moment_us(99) == 100_300_000
    now[0] = 160_000_000
    assert clock.moment_us(101) == 160_000_000
