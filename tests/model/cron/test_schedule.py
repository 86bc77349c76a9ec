from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.model import zones
from pilothouse.model.cron.parse import parse
from pilothouse.model.cron.schedule import Every, Schedule

NEW_YORK, BERLIN, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
HAVANA = ZoneInfo("America/Havana")  # its clocks are set at midnight
DAY_S = 86_400


def at(text: str, zone: tzinfo = UTC, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def times(schedule: Schedule, since: float, until: float, zone: tzinfo = UTC) -> list[float]:
    found: list[float] = []
    while (coming := schedule.after(found[-1] if found else since, zone)) is not None and coming <= until:
        found.append(coming)
    return found


def walked(text: str, since: float, until: float, zone: tzinfo) -> list[float]:
    """The same, by looking at each minute."""
    minutes, hours, days, months, weekdays = text.split()
    fits = {"minute": minutes, "hour": hours, "day": days, "month": months}

    def is_in(value: int, word: str) -> bool:
        return word == "*" or value in {int(each) for each in word.split(",")}

    found = []
    for second in range((int(since) // 60 + 1) * 60, int(until) + 1, 60):
        local = datetime.fromtimestamp(second, zone)
        day, weekday = is_in(local.day, days), is_in(local.isoweekday() % 7, weekdays)
        is_day = day and weekday if "*" in (days, weekdays) else day or weekday
        if is_day and all(is_in(getattr(local, name), word) for name, word in fits.items() if name != "day"):
            found.append(float(second))
    return found


def word(low: int, high: int) -> st.SearchStrategy[str]:
    some = st.lists(st.integers(low, high), min_size=1, max_size=3, unique=True).map(lambda each: ",".join(map(str, each)))
    return st.one_of(st.just("*"), some)


LINES = st.tuples(word(0, 59), word(0, 23), word(1, 31), word(1, 12), word(0, 6)).map(" ".join)
STARTS = st.sampled_from(
    [
        at("2026-03-07T20:00", NEW_YORK),
        at("2026-10-31T20:00", NEW_YORK),
        at("2026-03-28T20:00", BERLIN),
        at("2026-04-04T13:00", UTC),
        at("2026-03-07T23:30", HAVANA),
        at("2026-10-31T22:30", HAVANA),
        at("2027-12-31T10:00", UTC),
    ]
)


@settings(max_examples=40, deadline=None)
@given(LINES, STARTS, st.sampled_from([UTC, NEW_YORK, BERLIN, LORD_HOWE, HAVANA]), st.floats(0, 3600))
def test_the_times_are_those_that_a_walk_over_all_minutes_finds(text: str, start: float, zone: tzinfo, more: float) -> None:
    since, until = start + more, start + 1.5 * DAY_S
    schedule, expected = parse(text), walked(text, since, until, zone)
    assert times(schedule, since, until, zone) == expected
    assert schedule.latest(since, until, zone) == (expected[-1] if expected else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 3 * * *", "2026-01-02T03:30"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 9-17/4 * * mon-fri", "2026-01-01T13:00"),
        ("0 0 13 * fri", "2026-01-02T00:00"),
        ("5,10 0 1 jan,jul *", "2026-07-01T00:05"),
    ],
)
def test_the_next_time_is_the_first_that_fits_all_fields(text: str, expected: str) -> None:
    assert parse(text).after(at("2026-01-01T12:07:30")) == at(expected)


def test_a_date_that_does_not_exist_never_comes() -> None:
    assert parse("0 0 30 2 *").after(0) is None
    assert [parse(text).after(0) for text in (", * * * *", "* , * * *", "* * , * *", "* * * , *")] == [None] * 4
    assert parse("0 0 30 2 *").latest(0, 1e9) is None


def test_a_time_that_daylight_saving_skips_does_not_come_that_day() -> None:
    since = at("2026-03-08T00:00", NEW_YORK)
    assert parse("30 2 * * *").after(since, NEW_YORK) == at("2026-03-09T02:30", NEW_YORK)


def test_a_time_that_daylight_saving_repeats_comes_twice() -> None:
    since, until = at("2026-11-01T00:00", NEW_YORK), at("2026-11-02T00:00", NEW_YORK)
    first, second = at("2026-11-01T01:30", NEW_YORK), at("2026-11-01T01:30", NEW_YORK, fold=1)
    assert times(parse("30 1 * * *"), since, until, NEW_YORK) == [first, second]
    assert second - first == 3600


def test_an_interval_is_counted_from_the_time_before() -> None:
    assert Every(90).after(1000.7) == 1090.0
    assert Every(90).latest(1000.0, 1e9 + 1000) == 1000.0 + 1e9 // 90 * 90
    assert Every(90).latest(1000.0, 1089.0) is None


def test_the_last_of_years_of_minutes_is_found_at_once() -> None:
    assert parse("* * * * *").latest(0.0, 1_800_000_030.0) == 1_800_000_000.0


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "/etc/passwd", "America", "utc\0", "zone.tab"])
def test_a_zone_that_does_not_exist_is_said_so(name: str) -> None:
    with pytest.raises(zones.UnknownZone, match="unknown time zone"):
        zones.find(name)


def test_no_zone_is_utc() -> None:
    assert zones.find(None) is UTC
    assert zones.find("Europe/Berlin").utcoffset(datetime(2026, 7, 1)) is not None
