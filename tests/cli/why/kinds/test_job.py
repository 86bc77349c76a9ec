from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object
from tests.cli.shop import CREATED, NOW, metadata, note, pod, terminated, waiting


def job(status: Object | None = None, **spec: Any) -> Object:
    found = {"kind": "Job", "metadata": metadata("load", "job-uid"), "spec": {"completions": 1, "backoffLimit": 6, **spec}}
    return found | {"status": status or {}}


def ended(kind: str, reason: str = "", message: str = "") -> Object:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": CREATED}


def member(state: Object, phase: str = "Failed") -> Object:
    found = pod(state, phase=phase)
    return found | {"metadata": metadata("load-x2x4z", "load-pod-uid", ("Job", "job-uid"))}


def seen(owner: Object, *pods: Object, **more: Any) -> Scene:
    return Scene(kind="Job", name="load", now=NOW, workload=owner, pods=pods, **more)


def test_one_that_has_completed_says_so_and_when() -> None:
    done = job({"succeeded": 1, "conditions": [ended("Complete")]})
    assert explain(seen(done, member({"terminated": terminated(0, "Completed")}, "Succeeded"))).sentence == (
        "job load has completed 1h ago: 1 of 1 completions"
    )


def test_one_that_runs_says_how_far_it_is() -> None:
    found = explain(seen(job({"active": 2, "succeeded": 3}, completions=8), member({"running": {}}, "Running")))
    assert found.sentence == "job load runs: 3 of 8 completions, 2 active"
    assert not found.chain


def test_the_pods_trouble_stands_before_the_jobs_own_reason() -> None:
    failed = job({"failed": 7, "conditions": [ended("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]})
    found = explain(seen(failed, member({"terminated": terminated(3, message="no such table: orders")})))
    assert found.chain[0] == "container app ended with exit code 3: no such table: orders"
    assert found.chain[-1] == "the job gave up (BackoffLimitExceeded: Job has reached the specified backoff limit)"
    assert "`ph kubectl logs load-x2x4z`" in found.next_step
    assert found.state == "Failed"


def test_a_deadline_that_passed_is_the_cause_itself() -> None:
    late = job({"conditions": [ended("Failed", "DeadlineExceeded", "late")]}, activeDeadlineSeconds=30)
    assert explain(seen(late)).chain == ("it was not done within its activeDeadlineSeconds of 30",)


def test_one_whose_pods_are_gone_gives_the_reason_that_it_has() -> None:
    failed = job({"failed": 1, "conditions": [ended("Failed", "PodFailurePolicy", "Container app failed with exit code 42")]})
    found = explain(seen(failed))
    assert found.chain == ("the job gave up (PodFailurePolicy: Container app failed with exit code 42)",)
    assert found.next_step.startswith("its pods are gone, and their logs with them; ")


def test_after_a_failure_the_back_off_is_named() -> None:
    found = explain(seen(job({"failed": 2}), member({"terminated": terminated(1, message="connection refused")})))
    assert found.sentence.startswith("job load is not done (0 of 1 completions, 2 failed): ")
    assert found.chain[-1] == "the next pod waits for its back-off (2 failed, 6 may)"


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"suspend": True}, "it is suspended"),
        ({"managedBy": "kueue.x-k8s.io/multikueue"}, "it is left to kueue.x-k8s.io/multikueue (spec.managedBy)"),
    ],
)
def test_one_that_is_held_says_by_what(spec: Object, cause: str) -> None:
    assert explain(seen(job(**spec))).chain == (cause,)


def test_pods_that_are_refused_are_told_until_one_is_made() -> None:
    said = 'Error creating: pods "load-" is forbidden: exceeded quota: team, requested: pods=1, used: pods=0, limited: pods=0'
    refused = note(job(), "FailedCreate", said)
    assert explain(seen(job(), notes=[refused])).chain == (
        "quota team is used up (requested pods=1, used pods=0, limited to pods=0)",
        "job load cannot create pods",
    )
    assert not explain(seen(job(), notes=[refused, note(job(), "SuccessfulCreate", "Created pod: load-x", 1)])).chain


def test_an_image_that_cannot_be_pulled_is_told_of_a_job_that_runs() -> None:
    stuck = member(waiting("ImagePullBackOff", 'Back-off pulling image "load:1"'), "Pending")
    assert "load:1" in explain(seen(job({"active": 1}), stuck)).chain[0]


def test_one_that_was_never_there_is_not_known() -> None:
    assert not explain(Scene(kind="Job", name="load", now=NOW)).is_known
