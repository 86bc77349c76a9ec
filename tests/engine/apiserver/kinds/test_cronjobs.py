"""What a CronJob's schedule, zone and template of Jobs may say."""

import pytest

from pilothouse.engine.apiserver.kinds.jobs.cronjobs import CRONJOB
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, changed, container, created, named, refusals, update_refusals, updated

JOB = "spec.jobTemplate.spec"


def cron_job(**spec: object) -> Object:
    pod = {"spec": {"containers": [container()], "restartPolicy": "Never"}}
    return named(spec={"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": pod}}, **spec})


def test_a_new_one_has_upstreams_defaults_and_leaves_those_of_jobs_to_its_jobs() -> None:
    spec = created(CRONJOB, cron_job())["spec"]
    limits = (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"])
    assert (spec["concurrencyPolicy"], spec["suspend"], *limits) == ("Allow", False, 3, 1)
    assert list(spec["jobTemplate"]["spec"]) == ["template"]
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"schedule": "@hourly"}, []),
        ({"schedule": ""}, ["spec.schedule Required"]),
        ({"schedule": "x"}, ["spec.schedule Invalid"]),
        ({"schedule": "TZ=UTC 0 0 * * *"}, ["spec.schedule Invalid"]),
        ({"schedule": "CRON_TZ=UTC 0 0"}, ["spec.schedule Invalid"] * 2),
        ({"timeZone": "Europe/Berlin"}, []),
        ({"timeZone": ""}, ["spec.timeZone Invalid"]),
        ({"timeZone": "Local"}, ["spec.timeZone Invalid"]),
        ({"timeZone": "Mars/Base"}, ["spec.timeZone Invalid"]),
        ({"concurrencyPolicy": "Sometimes"}, ["spec.concurrencyPolicy NotSupported"]),
        ({"startingDeadlineSeconds": -1}, ["spec.startingDeadlineSeconds Invalid"]),
        ({"successfulJobsHistoryLimit": -1, "failedJobsHistoryLimit": 0}, ["spec.successfulJobsHistoryLimit Invalid"]),
    ],
)
def test_what_a_cron_job_may_say(spec: Object, expected: list[str]) -> None:
    assert refusals(CRONJOB, cron_job(**spec)) == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("selector", {"matchLabels": {"a": "b"}}, [f"{JOB}.selector Invalid"]),
        ("manualSelector", True, [f"{JOB}.manualSelector NotSupported"]),
        ("parallelism", -1, [f"{JOB}.parallelism Invalid"]),
        ("completionMode", "Indexed", [f"{JOB}.completions Required"]),
        ("template.spec.restartPolicy", "Always", [f"{JOB}.template.spec.restartPolicy Required"]),
        ("template.spec.containers", [], [f"{JOB}.template.spec.containers Required"]),
    ],
)
def test_its_jobs_are_judged_as_jobs_are(path: str, value: object, expected: list[str]) -> None:
    assert refusals(CRONJOB, changed(cron_job(), f"{JOB}.{path}", value)) == expected


def test_the_message_is_upstreams() -> None:
    (cause,) = CRONJOB.validate(created(CRONJOB, cron_job(schedule="x")))
    assert cause.message == 'Invalid value: "x": expected exactly 5 fields, found 1: [x]'
    (cause,) = CRONJOB.validate(created(CRONJOB, changed(cron_job(), f"{JOB}.manualSelector", True)))
    assert cause.message == 'Unsupported value: true: supported values: "nil", "false"'


def test_its_name_leaves_room_for_those_of_its_jobs() -> None:
    for length, expected in ((52, []), (53, ["metadata.name Invalid"])):
        assert refusals(CRONJOB, cron_job() | {"metadata": {"name": "a" * length, "namespace": "default"}}) == expected


def test_a_zone_that_was_taken_once_does_not_stand_in_the_way_of_other_changes() -> None:
    old = cron_job(timeZone="Mars/Base")
    assert update_refusals(CRONJOB, old, changed(old, "spec.suspend", True)) == []
    assert update_refusals(CRONJOB, old, changed(old, "spec.timeZone", "Mars/Ridge")) == ["spec.timeZone Invalid"]


def test_a_write_to_the_status_changes_nothing_else() -> None:
    old = created(CRONJOB, cron_job())
    new = changed(changed(old, "spec.schedule", "* * * * *"), "status.lastScheduleTime", "2026-05-04T10:00:00Z")
    value = updated(CRONJOB, old, new, "status")
    assert value["spec"] == old["spec"]
    assert value["status"] == {"lastScheduleTime": "2026-05-04T10:00:00Z"}


def test_its_row_shows_schedule_zone_and_when_it_last_came() -> None:
    obj = created(CRONJOB, cron_job(timeZone="Europe/Berlin"))
    obj["metadata"]["creationTimestamp"] = "2026-05-04T11:00:00Z"
    obj["status"] = {"lastScheduleTime": "2026-05-04T11:58:30Z", "active": [{"name": "a"}]}
    assert CRONJOB.cells(obj, NOW) == [
        "it", "0 0 1 1 *", "Europe/Berlin", "False", 1, "90s", "60m", "c", "img:1", "<none>",
    ]  # fmt: skip
    assert CRONJOB.cells(created(CRONJOB, cron_job()) | {"metadata": obj["metadata"]}, NOW)[2:6] == ["<none>", "False", 0, "<none>"]
