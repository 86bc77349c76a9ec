import pytest

from pilothouse.engine.controllers.cronjob import timetable
from pilothouse.engine.controllers.cronjob.timetable import Unusable
from tests.engine.controllers.cronjob.objects import cron_job
from tests.engine.controllers.objects import NOW, ago

SLOT = NOW // 600 * 600
"""The last full ten minutes."""


def due(obj: dict[str, object], changed_at: float | None = None, now: float = NOW) -> float | None:
    return timetable.of(obj).due(timetable.since(obj, changed_at, now), now)


def test_the_last_of_the_missed_times_is_due() -> None:
    assert due(cron_job(age_s=100_000)) == SLOT
    assert due(cron_job(status={"lastScheduleTime": ago(5000)})) == SLOT


def test_what_was_seen_to_is_not_due_again() -> None:
    assert due(cron_job(status={"lastScheduleTime": ago(NOW - SLOT)})) is None


def test_nothing_is_due_before_the_cron_job_was_made() -> None:
    assert due(cron_job(age_s=NOW - SLOT - 1)) is None


def test_a_time_before_the_starting_deadline_is_not_due() -> None:
    assert due(cron_job(startingDeadlineSeconds=int(NOW - SLOT) - 1)) is None
    assert due(cron_job(startingDeadlineSeconds=int(NOW - SLOT) + 1)) == SLOT


def test_a_changed_schedule_makes_up_for_nothing() -> None:
    assert due(cron_job(), changed_at=SLOT + 1) is None
    assert due(cron_job(), changed_at=SLOT - 1) == SLOT


def test_the_next_time_is_waited_for() -> None:
    assert timetable.of(cron_job()).wait_s(NOW) == SLOT + 600 - NOW
    assert timetable.of(cron_job("0 0 30 2 *")).wait_s(NOW) is None


@pytest.mark.parametrize(("missed_s", "many"), [(100 * 600, False), (102 * 600, True)])
def test_more_than_a_hundred_missed_times_are_many(missed_s: float, many: bool) -> None:
    assert timetable.of(cron_job()).are_many_missed(SLOT - missed_s, NOW) is many


def test_times_are_those_of_the_zone() -> None:
    tokyo, utc = cron_job("0 9 * * *", timeZone="Asia/Tokyo"), cron_job("0 0 * * *")
    assert due(tokyo) == due(utc)


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"timeZone": "Mars/Base"}, "UnknownTimeZone", 'invalid timeZone: "Mars/Base": unknown time zone Mars/Base'),
        ({"schedule": "x"}, "UnparseableSchedule", 'unparseable schedule: "x" : expected exactly 5 fields, found 1: [x]'),
    ],
)
def test_what_yields_no_times_says_why(spec: dict[str, str], reason: str, message: str) -> None:
    with pytest.raises(Unusable) as caught:
        timetable.of(cron_job(**spec))
    assert (caught.value.reason, str(caught.value)) == (reason, message)
