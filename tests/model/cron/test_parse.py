import pytest

from pilothouse.model.cron.parse import ScheduleError, parse
from pilothouse.model.cron.schedule import Every, Fields


def fields(text: str) -> Fields:
    found = parse(text)
    assert isinstance(found, Fields)
    return found


@pytest.mark.parametrize(
    ("word", "minutes"),
    [
        ("5", {5}),
        ("1-3", {1, 2, 3}),
        ("*/20", {0, 20, 40}),
        ("50/4", {50, 54, 58}),
        ("10-20/5,1", {1, 10, 15, 20}),
        ("1,,2", {1, 2}),
    ],
)
def test_a_field_is_a_list_of_ranges_with_steps(word: str, minutes: set[int]) -> None:
    assert fields(f"{word} * * * *").minutes == minutes


def test_months_and_weekdays_have_names() -> None:
    found = fields("0 0 * JAN,dec mon-Fri")
    assert (found.months, found.weekdays) == ({1, 12}, {1, 2, 3, 4, 5})


@pytest.mark.parametrize(("text", "both"), [("0 0 * * 1", True), ("0 0 ? * 1", True), ("0 0 1 * 1", False), ("0 0 */2 * 1", False)])
def test_a_star_leaves_the_other_day_field_alone_to_decide(text: str, both: bool) -> None:
    assert fields(text).any_day is both


@pytest.mark.parametrize(("text", "seconds"), [("@every 1h30m", 5400), ("@every 1.5m", 90), ("@every 10ms", 1), ("@every -5s", 1)])
def test_an_interval_is_in_whole_seconds(text: str, seconds: int) -> None:
    assert parse(text) == Every(seconds)


def test_descriptors_stand_for_lines() -> None:
    assert parse("@daily") == parse("@midnight") == parse("0 0 * * *")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty spec string"),
        ("x", "expected exactly 5 fields, found 1: [x]"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("@Daily", "unrecognized descriptor: @Daily"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/1/2 * * * *", "too many slashes: */1/2"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("L * * * *", 'failed to parse int from L: strconv.Atoi: parsing "L": invalid syntax'),
        ("\u0661 * * * *", 'failed to parse int from \u0661: strconv.Atoi: parsing "\u0661": invalid syntax'),
        ("@every 1d", 'failed to parse duration @every 1d: time: invalid duration "1d"'),
        ("@every ", 'failed to parse duration @every : time: invalid duration ""'),
        ("@every 9999999999999h", 'failed to parse duration @every 9999999999999h: time: invalid duration "9999999999999h"'),
    ],
)
def test_what_is_no_schedule_is_refused_in_upstreams_words(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert str(caught.value) == why


def test_texts_of_any_length_are_refused_at_once() -> None:
    for text in (f"{'9' * 5000} * * * *", f"*/{'9' * 5000} * * * *", f"@every {'9' * 5000}h"):
        with pytest.raises(ScheduleError, match="longer than 4096 characters"):
            parse(text)
    assert fields(f"{','.join(map(str, range(60)))} * * * *").minutes == set(range(60))
