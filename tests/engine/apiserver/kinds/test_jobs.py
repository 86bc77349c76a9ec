"""What a Job's spec may say, what may change in it, and what whoever manages it may report."""

import pytest

from pilothouse.engine.apiserver.kinds.jobs.jobs import JOB
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, changed, container, created, named, refusals, updated

BEGAN, ENDED = "2026-05-04T10:00:00Z", "2026-05-04T11:00:00Z"


def job(**spec: object) -> Object:
    return named(spec={"template": {"spec": {"containers": [container()], "restartPolicy": "Never"}}, **spec})


def indexed(**spec: object) -> Object:
    return job(**{"completionMode": "Indexed", "completions": 5, **spec})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"managedBy": "example.com/me"}, []),
        ({"managedBy": "me"}, ["spec.managedBy Invalid"]),
        ({"managedBy": ""}, ["spec.managedBy Required"]),
        ({"managedBy": f"example.com/{'x' * 60}"}, ["spec.managedBy TooLong"]),
        ({"successPolicy": {"rules": [{"succeededCount": 1}]}}, ["spec.successPolicy Invalid"]),
        ({"backoffLimitPerIndex": 1}, ["spec.backoffLimitPerIndex Invalid"]),
    ],
)
def test_what_a_job_may_say(spec: Object, expected: list[str]) -> None:
    assert refusals(JOB, job(**spec)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"maxFailedIndexes": 6, "backoffLimitPerIndex": 1}, ["spec.maxFailedIndexes Invalid"]),
        ({"completions": 200_000, "backoffLimitPerIndex": 1}, ["spec.maxFailedIndexes Required"]),
        ({"completions": 200_000, "backoffLimitPerIndex": 1, "maxFailedIndexes": 20_000}, ["spec.maxFailedIndexes Invalid"]),
        (
            {"completions": 200_000, "backoffLimitPerIndex": 1, "maxFailedIndexes": 5, "parallelism": 20_000},
            ["spec.parallelism Invalid"],
        ),
        ({"completions": 300_000, "maxFailedIndexes": 200_000, "backoffLimitPerIndex": 1}, ["spec.maxFailedIndexes Invalid"] * 2),
    ],
)
def test_the_indexes_of_a_job_fit_into_its_status(spec: Object, expected: list[str]) -> None:
    assert refusals(JOB, indexed(**spec)) == expected


def test_an_indexed_jobs_pods_need_host_names() -> None:
    long = indexed(completions=11) | {"metadata": {"name": "a" * 61, "namespace": "default"}}
    assert refusals(JOB, long) == ["metadata.name Invalid"]
    assert refusals(JOB, changed(long, "spec.completions", 10)) == []


RULES = "spec.successPolicy.rules"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"succeededIndexes": "0,2-4"}, []),
        ({"succeededIndexes": "0,2-4", "succeededCount": 4}, []),
        ({}, [f"{RULES}[0] Required"]),
        ({"succeededCount": 6}, [f"{RULES}[0].succeededCount Invalid"]),
        ({"succeededCount": -1}, [f"{RULES}[0].succeededCount Invalid"]),
        ({"succeededIndexes": "1-2", "succeededCount": 3}, [f"{RULES}[0].succeededCount Invalid"]),
        ({"succeededIndexes": "5"}, [f"{RULES}[0].succeededIndexes Invalid"]),
        ({"succeededIndexes": "2,1"}, [f"{RULES}[0].succeededIndexes Invalid"]),
        ({"succeededIndexes": "1-1"}, [f"{RULES}[0].succeededIndexes Invalid"]),
        ({"succeededIndexes": "1-2-3"}, [f"{RULES}[0].succeededIndexes Invalid"]),
        ({"succeededIndexes": "x"}, [f"{RULES}[0].succeededIndexes Invalid"]),
    ],
)
def test_rules_of_success(rule: Object, expected: list[str]) -> None:
    assert refusals(JOB, indexed(successPolicy={"rules": [rule]})) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, "Required"), (20, ""), (21, "TooMany")])
def test_success_has_some_rules(count: int, expected: str) -> None:
    found = refusals(JOB, indexed(successPolicy={"rules": [{"succeededCount": 1}] * count}))
    assert found == ([f"{RULES} {expected}"] if expected else [])


FAILURE = "spec.podFailurePolicy.rules[0]"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1, 2]}}, []),
        ({"action": "Ignore", "onExitCodes": {"values": [1]}}, [f"{FAILURE}.onExitCodes.operator Required"]),
        ({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [2, 1]}}, [f"{FAILURE}.onExitCodes.values Invalid"]),
        (
            {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [0, *range(1, 256), 255]}},
            [
                f"{FAILURE}.onExitCodes.values TooMany",
                f"{FAILURE}.onExitCodes.values[0] Invalid",
                f"{FAILURE}.onExitCodes.values[256] Duplicate",
            ],
        ),
        ({"action": "FailIndex", "onPodConditions": [{"type": "X"}]}, [f"{FAILURE}.action Invalid"]),
        ({"action": "", "onPodConditions": [{"type": "X"}]}, [f"{FAILURE}.action Required"]),
        ({"action": "Count", "onPodConditions": [{"type": "X", "status": "x"}]}, [f"{FAILURE}.onPodConditions[0].status NotSupported"]),
        ({"action": "Count", "onPodConditions": [{"type": "X"}] * 21}, [f"{FAILURE}.onPodConditions TooMany"]),
    ],
)
def test_rules_of_failure(rule: Object, expected: list[str]) -> None:
    assert refusals(JOB, job(podFailurePolicy={"rules": [rule]})) == expected


def test_a_message_about_a_whole_rule_does_not_show_it() -> None:
    (cause,) = JOB.validate(created(JOB, job(podFailurePolicy={"rules": [{"action": "Ignore"}]})))
    assert cause.message == "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"


def test_labels_that_the_server_makes_are_blamed_by_name() -> None:
    own = job(template={"metadata": {"labels": {"job-name": "other"}}, **job()["spec"]["template"]})
    assert refusals(JOB, own) == ["spec.template.metadata.labels[job-name] Invalid"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"completions": 3, "parallelism": 3}, []),
        ({"completions": 3}, ["spec.completions Invalid"]),
    ],
)
def test_an_indexed_job_is_scaled_as_a_whole(changes: Object, expected: list[str]) -> None:
    old = created(JOB, indexed(parallelism=5))
    new = old
    for name, value in changes.items():
        new = changed(new, f"spec.{name}", value)
    causes = JOB.validate_update(updated(JOB, old, new), old)
    assert brief(causes) == expected
    assert all("in tandem with spec.parallelism" in cause.message for cause in causes)


@pytest.mark.parametrize(
    ("status", "resources", "nodes"),
    [
        ({}, [], []),
        ({"startTime": BEGAN, "active": 1}, ["spec.template Invalid"], ["spec.template Invalid"]),
        ({"active": 1, "conditions": [{"type": "Suspended", "status": "True"}]}, ["spec.template Invalid"], []),
        ({"startTime": BEGAN, "conditions": [{"type": "Suspended", "status": "True"}]}, [], []),
    ],
)
def test_a_job_that_has_stopped_may_be_given_other_resources_and_nodes(status: Object, resources: list[str], nodes: list[str]) -> None:
    old = created(JOB, job(suspend=True)) | {"status": status}
    stronger = changed(old, "spec.template.spec.containers", [container(resources={"limits": {"cpu": "2"}})])
    assert brief(JOB.validate_update(updated(JOB, old, stronger), old)) == resources
    elsewhere = changed(old, "spec.template.spec.nodeSelector", {"a": "b"})
    assert brief(JOB.validate_update(updated(JOB, old, elsewhere), old)) == nodes
    other = changed(old, "spec.template.spec.containers", [container(image="other:1")])
    assert brief(JOB.validate_update(updated(JOB, old, other), old)) == ["spec.template Invalid"]


def holding(*conditions: str, **fields: object) -> Object:
    """A status in which these conditions are true."""
    return {"conditions": [{"type": each, "status": "True"} for each in conditions], **fields}


DONE = holding("SuccessCriteriaMet", "Complete", startTime=BEGAN, completionTime=ENDED, succeeded=1)
LOST = holding("FailureTarget", "Failed", startTime=BEGAN, failed=2)
RUNNING = {"startTime": BEGAN, "active": 2, "ready": 1, "succeeded": 1, "failed": 1}


def status_refusals(old: Object, new: Object, **spec: object) -> list[str]:
    before = created(JOB, indexed(**spec) if spec else job()) | {"status": old}
    return brief(JOB.validate_status_update(updated(JOB, before, before | {"status": new}, "status"), before))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (DONE, []),
        (LOST, []),
        (RUNNING, []),
        ({"active": -1}, ["status.active Invalid"]),
        (DONE | {"completionTime": None}, ["status.completionTime Required"]),
        (DONE | {"startTime": None}, ["status.startTime Required"]),
        (DONE | {"completionTime": "2026-05-04T09:00:00Z"}, ["status.completionTime Invalid"]),
        (DONE | {"active": 1}, ["status.active Invalid"]),
        (DONE | {"terminating": 1}, ["status.terminating Invalid"]),
        (DONE | {"uncountedTerminatedPods": {"failed": ["u"]}}, ["status.uncountedTerminatedPods Invalid"]),
        ({"uncountedTerminatedPods": {"succeeded": ["u"], "failed": ["u"]}}, ["status.uncountedTerminatedPods.failed[0] Duplicate"]),
        ({"uncountedTerminatedPods": {"failed": [""]}}, ["status.uncountedTerminatedPods.failed[0] Invalid"]),
        (RUNNING | {"completionTime": ENDED}, ["status.completionTime Invalid"]),
        (RUNNING | {"ready": 3}, ["status.ready Invalid"]),
        (holding("Complete", startTime=BEGAN, completionTime=ENDED), ["status.conditions Invalid"]),
        (holding("Failed", startTime=BEGAN), ["status.conditions Invalid"]),
        (DONE | holding("SuccessCriteriaMet", "Complete", "FailureTarget"), ["status.conditions Invalid"] * 2),
        (RUNNING | {"completedIndexes": "0"}, ["status.completedIndexes Invalid"]),
        (RUNNING | {"failedIndexes": "0"}, ["status.failedIndexes Invalid"]),
    ],
)
def test_the_parts_of_a_status_agree(new: Object, expected: list[str]) -> None:
    assert status_refusals({}, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (DONE, DONE | holding("SuccessCriteriaMet") | {"completionTime": None}, ["status.conditions Invalid"]),
        (DONE, DONE | {"completionTime": "2026-05-04T11:00:01Z"}, ["status.completionTime Invalid"]),
        (LOST, LOST | holding("FailureTarget"), ["status.conditions Invalid"]),
        (holding("SuccessCriteriaMet"), {}, ["status.conditions Invalid"]),
        (RUNNING, RUNNING | {"failed": 0}, ["status.failed Invalid"]),
        (RUNNING, RUNNING | {"succeeded": 0}, ["status.succeeded Invalid"]),
        (RUNNING, RUNNING | {"startTime": None}, ["status.startTime Required"]),
        (RUNNING | {"ready": 5}, RUNNING | {"ready": 5, "succeeded": 2}, []),
    ],
)
def test_a_finished_job_stays_finished_and_counts_only_rise(old: Object, new: Object, expected: list[str]) -> None:
    assert status_refusals(old, new) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"completedIndexes": "0-2", "failedIndexes": "3,4"}, []),
        ({"completedIndexes": "7"}, ["status.completedIndexes Invalid"]),
        ({"failedIndexes": "3,2"}, ["status.failedIndexes Invalid"]),
        ({"completedIndexes": "0-2", "failedIndexes": "2"}, ["status.failedIndexes Invalid"]),
    ],
)
def test_indexes_in_a_status_are_those_of_the_job(new: Object, expected: list[str]) -> None:
    assert status_refusals({}, new, backoffLimitPerIndex=1) == expected


def test_an_indexed_job_that_was_scaled_down_has_succeeded_less_often() -> None:
    assert status_refusals({"succeeded": 4}, {"succeeded": 2}, parallelism=5) == []
    assert status_refusals({"succeeded": 4}, {"succeeded": 2}, parallelism=2) == ["status.succeeded Invalid"]


def test_names_and_numbers_that_will_surprise_are_warned_of() -> None:
    dotted = job() | {"metadata": {"name": "a.b", "namespace": "default"}}
    (warning,) = JOB.warnings(created(JOB, dotted))
    assert warning.startswith("metadata.name: this is used in Pod names and hostnames")
    many = created(JOB, indexed(completions=200_000, parallelism=20_000))
    assert len(JOB.warnings(many)) == 1
