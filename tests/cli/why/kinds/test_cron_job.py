from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object
from tests.cli.shop import CREATED, NOW, metadata, note, pod, terminated


def cron_job(**spec: Any) -> Object:
    return {"kind": "CronJob", "metadata": metadata("backup", "cron-uid"), "spec": {"schedule": "30 3 * * *", **spec}, "status": {}}


def run(name: str = "backup-29500000", created: str = CREATED, condition: str = "") -> Object:
    conditions = [{"type": condition, "status": "True", "reason": "R", "message": "M", "lastTransitionTime": created}] if condition else []
    found = {"kind": "Job", "metadata": metadata(name, f"{name}-uid", ("CronJob", "cron-uid")), "spec": {}}
    found["metadata"]["creationTimestamp"] = created
    return found | {"status": {"conditions": conditions, **({} if condition else {"active": 1})}}


def seen(owner: Object, *jobs: Object, **more: Any) -> Scene:
    return Scene(kind="CronJob", name="backup", now=NOW, workload=owner, jobs=jobs, **more)


def test_before_the_first_run_the_next_one_is_named() -> None:
    """NOW is 2026-02-02 02:40 UTC."""
    assert explain(seen(cron_job())).sentence == "cronjob backup has no runs yet; the next run is in 50m (2026-02-02 03:30 UTC)"
    shanghai = explain(seen(cron_job(timeZone="Asia/Shanghai"))).sentence
    assert shanghai.endswith("the next run is in 16h (2026-02-03 03:30 Asia/Shanghai)")


def test_the_last_run_says_how_it_ended() -> None:
    assert explain(seen(cron_job(), run(condition="Complete"))).sentence.startswith(
        "cronjob backup ran last 1h ago, with success; the next"
    )
    assert "runs now, since 1h (job backup-29500000)" in explain(seen(cron_job(), run())).sentence


def test_only_the_newest_run_counts() -> None:
    good = run("backup-29500060", "2026-02-02T02:40:00Z", "Complete")
    assert not explain(seen(cron_job(), run(condition="Failed"), good)).chain


def test_a_run_that_failed_is_told_with_its_pods_trouble() -> None:
    failed = pod({"terminated": terminated(1, message="disk full")}, phase="Failed")
    failed["metadata"] = metadata("backup-29500000-x2x4z", "p", ("Job", "backup-29500000-uid"))
    found = explain(seen(cron_job(), run(condition="Failed"), pods=[failed]))
    assert found.sentence.startswith("cronjob backup failed: container app ended with exit code 1: disk full")
    assert found.chain[-1] == "job backup-29500000, its last run, failed"


def test_one_that_is_suspended_names_the_way_out() -> None:
    found = explain(seen(cron_job(suspend=True), run(condition="Complete")))
    assert found.sentence.startswith("cronjob backup is suspended: ")
    assert "`ph kubectl patch cronjob backup -n default" in found.next_step


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("UnknownTimeZone", 'invalid timeZone: "Mars": no', 'invalid timeZone: "Mars": no'),
        ("JobAlreadyActive", "Not starting", "its last job still runs, and its concurrencyPolicy is Forbid"),
        ("MissSchedule", "Missed scheduled time to start a job: X", "Missed scheduled time to start a job: X (startingDeadlineSeconds: 5)"),
    ],
)
def test_what_keeps_it_from_starting_jobs_is_told(reason: str, message: str, cause: str) -> None:
    owner = cron_job(startingDeadlineSeconds=5)
    found = explain(seen(owner, notes=[note(owner, reason, message)]))
    assert found.sentence.startswith("cronjob backup starts no jobs: ")
    assert found.chain == (cause,)
    passed = [note(owner, reason, message), note(owner, "SuccessfulCreate", "Created job backup-1", 1)]
    assert not explain(seen(owner, run(condition="Complete"), notes=passed)).chain


def test_jobs_that_are_refused_are_told() -> None:
    limit = "exceeded quota: t, requested: count/jobs.batch=1, used: count/jobs.batch=0, limited: count/jobs.batch=0"
    said = f'Error creating job: jobs.batch "b" is forbidden: {limit}'
    found = explain(seen(cron_job(), notes=[note(cron_job(), "FailedCreate", said)]))
    assert found.chain[0].startswith("quota t is used up")
