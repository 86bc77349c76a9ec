import pytest

from pilothouse.engine.apiserver.kinds.workloads.statefulsets import STATEFULSET
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, changed, container, created, named, refusals, template, update_refusals, updated

CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
MOUNT = {"name": "data", "mountPath": "/data"}
COUNTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def database(**spec: object) -> Object:
    return named(spec={"selector": {"matchLabels": {"app": "web"}}, "serviceName": "db", "template": template(), **spec})


def refused(**spec: object) -> list[str]:
    return refusals(STATEFULSET, database(**spec))


def test_pods_come_in_order_and_are_updated_by_rolling() -> None:
    spec = created(STATEFULSET, database())["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"], spec["revisionHistoryLimit"]) == (1, "OrderedReady", 10)
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_new_one_has_no_replicas() -> None:
    assert created(STATEFULSET, database())["status"] == {"availableReplicas": 0, "replicas": 0}


def test_updates_by_hand_need_no_numbers() -> None:
    assert created(STATEFULSET, database(updateStrategy={"type": "OnDelete"}))["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_how_many_may_be_down_is_kept() -> None:
    spec = created(STATEFULSET, database(updateStrategy={"rollingUpdate": {"maxUnavailable": "20%"}}))["spec"]
    assert spec["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": "20%", "partition": 0}


def test_templates_of_claims_are_complete_claims() -> None:
    (claim,) = created(STATEFULSET, database(volumeClaimTemplates=[CLAIM]))["spec"]["volumeClaimTemplates"]
    assert (claim["apiVersion"], claim["kind"], claim["status"]) == ("v1", "PersistentVolumeClaim", {"phase": "Pending"})
    assert claim["spec"]["volumeMode"] == "Filesystem"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": -1}, ["spec.replicas Invalid"]),
        ({"minReadySeconds": -1}, ["spec.minReadySeconds Invalid"]),
        ({"ordinals": {"start": -1}}, ["spec.ordinals.start Invalid"]),
        ({"podManagementPolicy": "X"}, ["spec.podManagementPolicy Invalid"]),
        ({"updateStrategy": {"type": "X"}}, ["spec.updateStrategy Invalid"]),
        ({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}}, ["spec.updateStrategy.rollingUpdate Invalid"]),
        ({"updateStrategy": {"rollingUpdate": {"partition": -1}}}, ["spec.updateStrategy.rollingUpdate.partition Invalid"]),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}, ["spec.updateStrategy.rollingUpdate.maxUnavailable Invalid"]),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}, ["spec.updateStrategy.rollingUpdate.maxUnavailable Invalid"]),
        (
            {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "X"}},
            ["spec.persistentVolumeClaimRetentionPolicy.whenDeleted NotSupported"],
        ),
        ({"serviceName": "A_b"}, ["spec.serviceName Invalid"]),
        ({"serviceName": ""}, []),
        ({"selector": None}, ["spec.selector Required", "spec.template.metadata.labels Invalid"]),
        ({"selector": {"matchLabels": {"x": "y"}}}, ["spec.template.metadata.labels Invalid"]),
        (
            {"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}},
            ["spec.selector.matchExpressions[0].operator Invalid", "spec.selector Invalid"],
        ),
        ({"template": template(restartPolicy="Never")}, ["spec.template.spec.restartPolicy NotSupported"]),
        ({"template": template(activeDeadlineSeconds=5)}, ["spec.template.spec.activeDeadlineSeconds Forbidden"]),
        ({"template": None}, ["spec.template.metadata.labels Invalid", "spec.template.spec.containers Required"]),
        ({"volumeClaimTemplates": [{"spec": {}}]}, ["spec.volumeClaimTemplates[0].metadata.name Required"]),
        ({"volumeClaimTemplates": [{"metadata": {"name": "A"}}]}, ["spec.volumeClaimTemplates[0].metadata.name Invalid"]),
        ({"volumeClaimTemplates": [CLAIM, CLAIM]}, ["spec.volumeClaimTemplates[1].metadata.name Duplicate"]),
    ],
)
def test_what_is_refused(spec: Object, expected: list[str]) -> None:
    assert refused(**spec) == expected


def test_containers_mount_what_is_claimed_for_them() -> None:
    mounts = template(containers=[container(volumeMounts=[MOUNT])])
    assert refused(template=mounts) == ["spec.template.spec.containers[0].volumeMounts[0].name NotFound"]
    assert refused(template=mounts, volumeClaimTemplates=[CLAIM]) == []


def test_a_claim_takes_the_place_of_the_templates_volume() -> None:
    mounts = template(containers=[container(volumeMounts=[MOUNT])], volumes=[{"name": "data", "emptyDir": {}}])
    assert refused(template=mounts, volumeClaimTemplates=[CLAIM]) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.replicas", 3, []),
        ("spec.template", template(containers=[container(image="other:2")]), []),
        ("spec.updateStrategy", {"type": "OnDelete"}, []),
        ("spec.ordinals", {"start": 5}, []),
        ("spec.revisionHistoryLimit", 2, []),
        ("spec.minReadySeconds", 5, []),
        ("spec.persistentVolumeClaimRetentionPolicy", {"whenScaled": "Delete"}, []),
        ("spec.serviceName", "z", ["spec Forbidden"]),
        ("spec.podManagementPolicy", "Parallel", ["spec Forbidden"]),
        ("spec.volumeClaimTemplates", [CLAIM], ["spec Forbidden"]),
    ],
)
def test_what_may_be_changed(path: str, value: object, expected: list[str]) -> None:
    assert update_refusals(STATEFULSET, database(), changed(database(), path, value)) == expected


def test_the_refusal_of_a_change_names_what_may_be_changed() -> None:
    old = created(STATEFULSET, database())
    (cause,) = STATEFULSET.validate_update(updated(STATEFULSET, old, changed(old, "spec.serviceName", "z")), old)
    assert cause.message == (
        "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"replicas": 2, **dict.fromkeys(COUNTS, 2)}, []),
        ({"replicas": 1, "readyReplicas": 2}, ["status.readyReplicas"]),
        ({"updatedReplicas": -1}, ["status.updatedReplicas"]),
        ({"replicas": 2, "readyReplicas": 1, "availableReplicas": 2}, ["status.availableReplicas"]),
        ({"replicas": 0, "collisionCount": 1}, ["status.collisionCount"]),
    ],
)
def test_counts_fit_each_other(status: Object, expected: list[str]) -> None:
    old = created(STATEFULSET, database()) | {"status": {"replicas": 0, "collisionCount": 2}}
    new = updated(STATEFULSET, old, old | {"status": {"collisionCount": 2} | status}, "status")
    assert [cause.field for cause in STATEFULSET.validate_status_update(new, old)] == expected


def test_a_history_without_end_is_warned_of() -> None:
    assert any("retains all historical revisions" in each for each in STATEFULSET.warnings(database(revisionHistoryLimit=-1)))


def test_a_row_shows_how_many_are_ready() -> None:
    shown = created(STATEFULSET, database(replicas=3)) | {"status": {"readyReplicas": 2}}
    assert STATEFULSET.cells(shown, NOW)[:2] == ["it", "2/3"]
