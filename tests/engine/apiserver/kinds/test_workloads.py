"""Deployments, ReplicaSets, ControllerRevisions and Jobs."""

import pytest

from pilothouse.engine.apiserver.kinds.jobs.jobs import JOB
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.workloads.deployments import CONTROLLERREVISION, DEPLOYMENT, REPLICASET
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, changed, container, created, named, refusals, template, update_refusals, updated

ROLLING = ("maxSurge", "maxUnavailable")
SELECTOR = {"matchLabels": {"app": "web"}}


def workload(**spec: object) -> Object:
    return named(spec={"selector": SELECTOR, "template": template(), **spec})


def test_a_deployment_rolls_a_quarter_at_a_time() -> None:
    spec = created(DEPLOYMENT, workload())["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)


def test_recreate_needs_no_numbers() -> None:
    assert created(DEPLOYMENT, workload(strategy={"type": "Recreate"}))["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": -1}, ["spec.replicas Invalid"]),
        ({"selector": {}}, ["spec.selector Invalid"]),
        ({"selector": {"matchLabels": {"x": "y"}}}, ["spec.template.metadata.labels Invalid"]),
        (
            {"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}},
            ["spec.selector.matchExpressions[0].operator Invalid", "spec.selector Invalid"],
        ),
        ({"template": template(restartPolicy="Never")}, ["spec.template.spec.restartPolicy NotSupported"]),
        ({"template": template(activeDeadlineSeconds=5)}, ["spec.template.spec.activeDeadlineSeconds Forbidden"]),
        ({"template": None}, ["spec.template.metadata.labels Invalid", "spec.template.spec.containers Required"]),
        ({"template": template(containers=[container(image=" img")])}, []),
    ],
)
@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICASET], ids=["deployment", "replicaset"])
def test_sets_of_pods(kind: Kind, spec: Object, expected: list[str]) -> None:
    assert refusals(kind, workload(**spec)) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"type": "X"}, ["spec.strategy NotSupported"]),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}, ["spec.strategy.rollingUpdate.maxUnavailable Invalid"]),
        ({"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "200%"}}, ["spec.strategy.rollingUpdate.maxUnavailable Invalid"]),
        ({"rollingUpdate": {"maxUnavailable": f"{'9' * 5000}%"}}, ["spec.strategy.rollingUpdate.maxUnavailable Invalid"]),
        ({"rollingUpdate": {"maxSurge": "50", "maxUnavailable": 0}}, [f"spec.strategy.rollingUpdate.{name} Invalid" for name in ROLLING]),
        ({"rollingUpdate": {"maxSurge": "x%"}}, ["spec.strategy.rollingUpdate.maxSurge Invalid"]),
        ({"type": "Recreate", "rollingUpdate": {}}, ["spec.strategy.rollingUpdate Forbidden"]),
    ],
)
def test_strategies(strategy: Object, expected: list[str]) -> None:
    assert refusals(DEPLOYMENT, workload(strategy=strategy)) == expected


def test_a_selector_is_for_life() -> None:
    new = workload(
        selector={"matchLabels": {"app": "web", "x": "y"}},
        template={"metadata": {"labels": {"app": "web", "x": "y"}}} | {"spec": template()["spec"]},
    )
    assert update_refusals(DEPLOYMENT, workload(), new) == ["spec.selector Invalid"]


def test_a_deployments_generation_counts_specs_and_annotations() -> None:
    old = created(DEPLOYMENT, workload())
    for path, value, generation in (
        ("spec.replicas", 3, 2),
        ("metadata.annotations", {"a": "b"}, 2),
        ("metadata.labels", {"a": "b"}, 1),
    ):
        assert updated(DEPLOYMENT, old, changed(old, path, value))["metadata"]["generation"] == generation


def test_a_status_update_keeps_the_spec_and_the_labels() -> None:
    old = created(DEPLOYMENT, workload())
    new = updated(DEPLOYMENT, old, changed(changed(old, "spec.replicas", 9), "status.replicas", 1) | {}, "status")
    assert (new["spec"]["replicas"], new["status"], new["metadata"]["generation"]) == (1, {"replicas": 1}, 1)


def test_no_more_pods_are_ready_than_there_are() -> None:
    old = created(REPLICASET, workload())
    new = changed(old, "status", {"replicas": 1, "readyReplicas": 2})
    assert brief(REPLICASET.validate_status_update(new, old)) == ["status.readyReplicas Invalid"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"collisionCount": 2}, {"collisionCount": 3}, []),
        ({"collisionCount": 2}, {"collisionCount": 1}, ["status.collisionCount Invalid"]),
        ({"collisionCount": 2}, {}, ["status.collisionCount Invalid"]),
        ({}, {"collisionCount": -1}, ["status.collisionCount Invalid"]),
        ({}, {"terminatingReplicas": -1}, ["status.terminatingReplicas Invalid"]),
        ({}, {"replicas": 1, "updatedReplicas": 2}, ["status.updatedReplicas Invalid"]),
        ({}, {"readyReplicas": -1}, ["status.readyReplicas Invalid", "status.availableReplicas Invalid"]),
        (
            {},
            {"replicas": -1},
            [f"status.{name} Invalid" for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")],
        ),
    ],
)
def test_counts_of_a_deployment(old: Object, new: Object, expected: list[str]) -> None:
    before = created(DEPLOYMENT, workload()) | {"status": old}
    assert brief(DEPLOYMENT.validate_status_update(before | {"status": new}, before)) == expected


def test_a_replica_set_is_judged_whole_and_then_as_a_change() -> None:
    new = workload() | {"metadata": {"name": "it", "namespace": "default"}}
    assert update_refusals(REPLICASET, workload(), changed(new, "spec.replicas", -1)) == ["spec.replicas Invalid"] * 2


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICASET], ids=["deployment", "replicaset"])
def test_a_name_that_is_no_host_name_is_warned_of(kind: Kind) -> None:
    dotted = workload() | {"metadata": {"name": "a.b", "namespace": "default"}}
    (warning,) = kind.warnings(created(kind, dotted))
    assert warning.startswith("metadata.name: this is used in Pod names and hostnames")


def test_a_revisions_data_never_changes() -> None:
    old = named(data={"x": 1}, revision=1)
    assert update_refusals(CONTROLLERREVISION, old, named(data={"x": 1}, revision=0)) == []
    assert update_refusals(CONTROLLERREVISION, old, named(data={"x": 2}, revision=1)) == ["data Invalid"]


def job(**spec: object) -> Object:
    return named(spec={"template": {"spec": {"containers": [container()], "restartPolicy": "Never"}}, **spec})


def test_a_job_runs_once_by_default() -> None:
    spec = created(JOB, job())["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"], spec["suspend"]) == (1, 1, 6, False)
    assert (spec["completionMode"], spec["podReplacementPolicy"], spec["manualSelector"]) == ("NonIndexed", "TerminatingOrFailed", False)


def test_a_parallel_job_has_no_number_of_completions() -> None:
    assert "completions" not in created(JOB, job(parallelism=3))["spec"]


def test_limits_for_each_index_lift_the_limit_for_all() -> None:
    indexed = job(completionMode="Indexed", completions=3, backoffLimitPerIndex=1)
    assert created(JOB, indexed)["spec"]["backoffLimit"] == 2**31 - 1


def test_a_job_finds_its_pods_by_its_own_uid() -> None:
    made = created(JOB, job())
    labels = {"controller-uid": "u1", "batch.kubernetes.io/controller-uid": "u1", "job-name": "it", "batch.kubernetes.io/job-name": "it"}
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}}
    assert made["spec"]["template"]["metadata"]["labels"] == labels
    assert made["metadata"]["labels"] == labels


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"completions": -1}, ["spec.completions Invalid"]),
        ({"completionMode": "X"}, ["spec.completionMode NotSupported"]),
        ({"completionMode": "Indexed", "parallelism": 1}, ["spec.completions Required"]),
        ({"podReplacementPolicy": "X"}, ["spec.podReplacementPolicy NotSupported"]),
        ({"ttlSecondsAfterFinished": -1}, ["spec.ttlSecondsAfterFinished Invalid"]),
        ({"manualSelector": True}, ["spec.selector Required", "spec.template.metadata.labels Invalid"]),
        ({"template": {"spec": {"containers": [container()]}}}, ["spec.template.spec.restartPolicy Required"]),
        (
            {
                "podFailurePolicy": {
                    "rules": [{"action": "FailJob", "onExitCodes": {"containerName": "zz", "operator": "In", "values": [1]}}]
                }
            },
            ["spec.podFailurePolicy.rules[0].onExitCodes.containerName Invalid"],
        ),
        ({"podFailurePolicy": {"rules": [{"action": "Ignore"}]}}, ["spec.podFailurePolicy.rules[0] Invalid"]),
    ],
)
def test_jobs(spec: Object, expected: list[str]) -> None:
    assert refusals(JOB, job(**spec)) == expected


def test_a_jobs_mode_is_for_life_and_its_parallelism_is_not() -> None:
    old = created(JOB, job(completions=2))
    assert JOB.validate_update(updated(JOB, old, changed(old, "spec.parallelism", 5)), old) == []
    new = updated(JOB, old, changed(old, "spec.completionMode", "Indexed"))
    assert brief(JOB.validate_update(new, old)) == ["spec.completionMode Invalid"]


def test_only_a_suspended_job_that_never_ran_chooses_other_nodes() -> None:
    waiting, running = created(JOB, job(suspend=True)), created(JOB, job(suspend=False))
    for old, expected in ((waiting, []), (running, ["spec.template Invalid"])):
        new = updated(JOB, old, changed(old, "spec.template.spec.nodeSelector", {"a": "b"}))
        assert brief(JOB.validate_update(new, old)) == expected


def test_deleting_a_job_leaves_its_pods() -> None:
    assert JOB.default_propagation == "Orphan"
    assert JOB.returns_object_on_delete
