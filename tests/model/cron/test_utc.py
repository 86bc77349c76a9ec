import datetime

import pytest

from pilothouse.model.cron import utc as cron

FROM = datetime.datetime(2026, 1, 1, 12, 7, 30, tzinfo=datetime.UTC).timestamp()  # a Thursday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "2026-01-01 12:08"),
        ("*/15 * * * *", "2026-01-01 12:15"),
        ("30 3 * * *", "2026-01-02 03:30"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 9-17/4 * * mon-fri", "2026-01-01 13:00"),
        ("0 0 * * 7", "2026-01-04 00:00"),
        ("0 0 13 * fri", "2026-01-02 00:00"),
        ("5,10 0 1 jan,jul *", "2026-07-01 00:05"),
        ("@weekly", "2026-01-04 00:00"),
        ("0 0 */2 * 1", "2026-01-05 00:00"),
    ],
)
def test_the_next_time_is_the_first_that_fits_all_fields(text: str, expected: str) -> None:
    at = cron.parse(text).after(FROM)
    assert at is not None
    assert datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M") == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("* * * *", "five fields"),
        ("60 * * * *", "minute"),
        ("* * * * mun", "day of the week"),
        ("*/0 * * * *", "step"),
        ("5-1 * * * *", "ends before"),
        ("0 0 30 2 *", "never comes"),
        ("", "five fields"),
        ("a b c d e", "minute"),
        ("\u0661 * * * *", "minute"),
        (f"{'9' * 5000} * * * *", "minute"),
        (f"*/{'9' * 5000} * * * *", "step"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_field(text: str, named: str) -> None:
    with pytest.raises(cron.ScheduleError, match=named):
        cron.parse(text)
