from typing import Any

import pytest

from pilothouse.engine.controllers.cronjob import plan, timetable
from pilothouse.model import meta
from tests.engine.controllers.cronjob.objects import cron_job, made, reference
from tests.engine.controllers.objects import NOW, ago

SLOT = NOW // 600 * 600
SLOT_NAME = f"tick-{int(SLOT // 60)}"


def reasons(remarks: list[plan.Remark]) -> list[str]:
    return [remark.reason for remark in remarks]


def starts(obj: dict[str, Any], now: float = NOW) -> plan.Start:
    times = timetable.of(obj)
    return plan.start(obj, obj["status"], times, timetable.since(obj, None, now), now)


def test_a_finished_job_leaves_the_active_ones_and_counts_as_success() -> None:
    obj = cron_job(status={"active": [reference("a"), reference("b")]})
    seen = plan.observe(obj, [made("a", ended="Complete", completed_s=20), made("b")])
    assert [each["name"] for each in seen.status["active"]] == ["b"]
    assert seen.status["lastSuccessfulTime"] == ago(20)
    assert seen.remarks == [plan.Remark("Normal", "SawCompletedJob", "Saw completed job: a, condition: Complete")]


def test_the_last_success_never_goes_back() -> None:
    obj = cron_job(status={"lastSuccessfulTime": ago(5)})
    assert plan.observe(obj, [made("a", ended="Complete", completed_s=20), made("b", ended="Failed")]).status["lastSuccessfulTime"] == ago(
        5
    )


def test_a_running_job_that_is_not_listed_is_a_surprise_unless_it_is_leaving() -> None:
    assert reasons(plan.observe(cron_job(), [made("a")]).remarks) == ["UnexpectedJob"]
    assert plan.observe(cron_job(), [made("a")], leaving={"uid-a"}).remarks == []


def test_a_listed_job_that_nobody_knows_is_asked_for_before_it_is_struck_off() -> None:
    seen = plan.observe(cron_job(status={"active": [reference("a")]}), [])
    assert seen.unknown == [reference("a")] == seen.status["active"]
    assert plan.without(seen.status, seen.unknown) == {}


def test_of_each_outcome_the_oldest_beyond_the_limit_go() -> None:
    good = [made(f"g{age}", ended="Complete", started_s=age) for age in (10, 50, 30, 20, 40)]
    bad = [made("f-never", ended="Failed", started_s=None), made("f5", ended="Failed", started_s=5)]
    gone = plan.outlived(cron_job(), [*good, *bad, made("running")])
    assert [meta.name(job) for job in gone] == ["g50", "g40", "f5"]
    assert len(plan.outlived(cron_job(successfulJobsHistoryLimit=0, failedJobsHistoryLimit=None), [*good, *bad])) == 5


def test_a_due_time_gets_a_job_named_after_its_minute() -> None:
    obj = cron_job()
    obj["spec"]["jobTemplate"]["metadata"] = {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    assert starts(obj).at == SLOT
    job = plan.job(obj, SLOT, timetable.of(obj))
    assert meta.name(job) == SLOT_NAME
    assert job["metadata"]["annotations"] == {"c": "d", plan.SCHEDULED_AT: meta.rfc3339(SLOT)}
    assert meta.labels(job) == {"a": "b"}
    assert meta.controller_of(job) == meta.owner_reference(obj, "batch/v1", "CronJob")


def test_the_time_that_a_job_carries_is_in_the_zone_of_its_cron_job() -> None:
    obj = cron_job("0 9 * * *", timeZone="Asia/Tokyo")
    noted = plan.job(obj, 1_780_000_000 // 86_400 * 86_400, timetable.of(obj))["metadata"]["annotations"][plan.SCHEDULED_AT]
    assert noted == "2026-05-28T09:00:00+09:00"


@pytest.mark.parametrize(
    ("policy", "at", "replaced", "said"),
    [("Allow", SLOT, 0, []), ("Forbid", None, 0, ["JobAlreadyActive"]), ("Replace", SLOT, 1, [])],
)
def test_what_becomes_of_a_job_that_still_runs(policy: str, at: float | None, replaced: int, said: list[str]) -> None:
    found = starts(cron_job(concurrencyPolicy=policy, status={"lastScheduleTime": ago(1200), "active": [reference("a")]}))
    assert (found.at, len(found.replaced), reasons(found.remarks)) == (at, replaced, said)


def test_a_job_that_was_made_but_not_noted_is_not_made_again() -> None:
    assert starts(cron_job(status={"lastScheduleTime": ago(1200), "active": [reference(SLOT_NAME)]})).at is None


def test_many_missed_times_are_said_and_the_last_is_made_up_for() -> None:
    found = starts(cron_job(age_s=200 * 600))
    assert (found.at, reasons(found.remarks)) == (SLOT, ["TooManyMissedTimes"])


def test_a_time_whose_starting_deadline_has_passed_while_it_was_looked_at_is_missed() -> None:
    obj = cron_job(startingDeadlineSeconds=30, age_s=3000)
    found = plan.start(obj, {}, timetable.of(obj), SLOT - 1, SLOT + 31)
    assert (found.at, reasons(found.remarks)) == (None, ["MissSchedule"])
    assert found.remarks[0].message.startswith("Missed scheduled time to start a job: ")


def test_a_job_that_was_made_is_noted_with_its_time() -> None:
    job = made("a") | {"apiVersion": "batch/v1"}
    status = plan.started({"active": [reference("b")]}, job, SLOT)
    assert status["lastScheduleTime"] == meta.rfc3339(SLOT)
    assert [each["name"] for each in status["active"]] == ["b", "a"]
