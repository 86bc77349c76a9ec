from typing import Any

from pilothouse.engine.controllers.deployment import status as statuses
from tests.engine.controllers.objects import NOW, ago, deployment, replica_set


def condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    return next(each for each in status["conditions"] if each["type"] == type_)


def test_available_means_no_fewer_than_the_bound() -> None:
    enough = statuses.of(deployment(4), None, [replica_set("a", 4, 3)], NOW)
    too_few = statuses.of(deployment(4), None, [replica_set("a", 4, 2)], NOW)
    assert condition(enough, "Available")["status"] == "True"
    assert condition(too_few, "Available")["reason"] == "MinimumReplicasUnavailable"


def test_a_complete_rollout_says_so_once_and_for_all() -> None:
    new = replica_set("new", 4)
    status = statuses.rolled(deployment(4), new, [new], NOW)
    assert condition(status, "Progressing")["reason"] == "NewReplicaSetAvailable"
    later = statuses.rolled(deployment(4) | {"status": status}, new, [new], NOW + 1000)
    assert later == status


def test_progress_renews_the_deadline() -> None:
    before = {"conditions": [statuses.condition("Progressing", "True", "ReplicaSetUpdated", "") | {"lastUpdateTime": ago(500)}]}
    status = statuses.rolled(deployment(4) | {"status": before}, None, [replica_set("new", 4, 1)], NOW)
    assert condition(status, "Progressing")["lastUpdateTime"] == ago(0)


def test_no_progress_until_the_deadline_is_a_failure() -> None:
    new = replica_set("new", 4, 0)
    progressing = statuses.condition("Progressing", "True", "ReplicaSetUpdated", "") | {"lastUpdateTime": ago(601)}
    before = {"updatedReplicas": 4, "replicas": 4, "conditions": [progressing]}
    status = statuses.rolled(deployment(4) | {"status": before}, new, [new], NOW)
    assert condition(status, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    assert statuses.check_again_in(deployment(4), status, NOW) is None


def test_an_unfinished_rollout_is_looked_at_when_its_deadline_passes() -> None:
    new = replica_set("new", 4, 0)
    status = statuses.rolled(deployment(4), new, [new], NOW)
    assert statuses.check_again_in(deployment(4), status, NOW) == 601


def test_a_pause_and_its_end_are_noted_once() -> None:
    paused = statuses.paused(deployment(paused=True), NOW)
    assert paused is not None
    assert condition(paused, "Progressing")["reason"] == "DeploymentPaused"
    assert statuses.paused(deployment(paused=True) | {"status": paused}, NOW) is None
    resumed = statuses.paused(deployment() | {"status": paused}, NOW)
    assert resumed is not None
    assert condition(resumed, "Progressing")["reason"] == "DeploymentResumed"


def test_a_set_that_cannot_make_pods_shows_on_the_deployment() -> None:
    new = replica_set("new", 4, 0)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    new["status"]["conditions"] = [failure]
    status = statuses.rolled(deployment(4), new, [new], NOW)
    assert condition(status, "ReplicaFailure")["message"] == "quota"
    new["status"]["conditions"] = []
    again = statuses.rolled(deployment(4) | {"status": status}, new, [new], NOW)
    assert [each["type"] for each in again["conditions"]] == ["Available", "Progressing"]
