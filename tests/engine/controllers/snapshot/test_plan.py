"""What is decided about a snapshot."""

from typing import Any

import pytest

from pilothouse.engine.controllers.snapshot.plan import Create, Delete, Facts, Fail, Say, Write, plan
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.snapshots import AS_SOURCE, BEING_DELETED, BOUND, CLAIM_AS_SOURCE, CONTENT_BOUND
from pilothouse.model.volumes import LOCAL_PROVISIONER, NODE, PROVISIONED_BY

LOCAL: Object = {"metadata": {"name": "local"}, "driver": LOCAL_PROVISIONER, "deletionPolicy": "Delete"}
DEFAULT: Object = LOCAL | {"metadata": {"name": "local", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}}}
SIZE = 1 << 30


def snapshot(*finalizers: str, deleting: bool = False, status: Any = None, **spec: Any) -> Object:
    metadata: Object = {"name": "s", "namespace": "default", "uid": "u", "finalizers": list(finalizers)}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    wanted = {"source": {"persistentVolumeClaimName": "data"}, "volumeSnapshotClassName": "local"} | spec
    return {"kind": "VolumeSnapshot", "metadata": metadata, "spec": wanted, "status": status or {}}


def content(uid: str = "u", policy: str = "Delete", status: Any = None, deleting: bool = False, **source: str) -> Object:
    metadata: Object = {"name": "snapcontent-u", "finalizers": [CONTENT_BOUND]} | (
        {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    )
    reference = {"namespace": "default", "name": "s"} | ({"uid": uid} if uid else {})
    spec = {"deletionPolicy": policy, "driver": "d", "source": source or {"volumeHandle": "n1/v"}, "volumeSnapshotRef": reference}
    return {"kind": "VolumeSnapshotContent", "metadata": metadata, "spec": spec, "status": status or {}}


def claim(*finalizers: str, phase: str = "Bound", deleting: bool = False) -> Object:
    metadata: Object = {"name": "data", "namespace": "default", "uid": "c", "finalizers": list(finalizers)}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {"volumeName": "v"}, "status": {"phase": phase}}


def volume(**spec: Any) -> Object:
    annotations = {} if spec else {PROVISIONED_BY: LOCAL_PROVISIONER, NODE: "n1"}
    reference = {"claimRef": {"namespace": "default", "name": "data", "uid": "c"}, "volumeMode": "Block"}
    return {"metadata": {"name": "v", "annotations": annotations}, "spec": reference | spec}


READY = {"readyToUse": True, "restoreSize": SIZE, "creationTime": 1_800_000_000_000_000_000, "snapshotHandle": "n1/snapshot-u"}
SHOWN = {
    "boundVolumeSnapshotContentName": "snapcontent-u",
    "readyToUse": True,
    "restoreSize": "1Gi",
    "creationTime": "2027-01-15T08:00:00Z",
}


def source() -> dict[str, Any]:
    return {"claim": claim(), "volume": volume(), "classes": (DEFAULT,)}


def test_a_snapshot_without_a_class_gets_the_default_one_of_its_driver() -> None:
    named = plan(Facts(snapshot(volumeSnapshotClassName=None), **source()))
    assert isinstance(named[0], Write)
    assert named[0].obj["spec"]["volumeSnapshotClassName"] == "local"


def test_its_claim_is_kept_and_its_content_made_with_the_mode_of_the_volume() -> None:
    protect, create, said = plan(Facts(snapshot(AS_SOURCE), **source()))
    assert isinstance(protect, Write)
    assert CLAIM_AS_SOURCE in meta.finalizers(protect.obj)
    assert isinstance(create, Create)
    spec = create.content["spec"]
    assert meta.name(create.content) == "snapcontent-u"
    assert (spec["source"], spec["sourceVolumeMode"], spec["deletionPolicy"]) == ({"volumeHandle": "n1/v"}, "Block", "Delete")
    assert said == Say("CreatingSnapshot", "Waiting for a snapshot default/s to be created by the CSI driver.")


@pytest.mark.parametrize(
    ("changed", "reason", "why"),
    [
        ({"claim": None}, "SnapshotContentCreationFailed", 'persistentvolumeclaim "data" not found'),
        ({"claim": claim(deleting=True)}, "SnapshotContentCreationFailed", "because it is being deleted"),
        ({"claim": claim(phase="Pending")}, "SnapshotContentCreationFailed", "is not yet bound to a PV"),
        ({"volume": None}, "SnapshotContentCreationFailed", "claim in dataSource not bound or invalid"),
        ({"volume": volume(hostPath={"path": "/x"})}, "SnapshotContentCreationFailed", "nobody can take snapshots of volume v"),
        ({"volume": volume(csi={"driver": "x", "volumeHandle": "h"})}, "SnapshotContentCreationFailed", "and volume v of x"),
        ({"classes": ()}, "SnapshotContentCreationFailed", '"local" not found'),
    ],
)
def test_why_it_cannot_be_taken_is_said(changed: Any, reason: str, why: str) -> None:
    failed = plan(Facts(snapshot(AS_SOURCE), **(source() | changed)))[0]
    assert isinstance(failed, Fail)
    assert failed.reason == reason
    assert why in failed.message


@pytest.mark.parametrize(("classes", "why"), [((LOCAL,), "cannot find default"), ((DEFAULT, DEFAULT), "2 default snapshot classes")])
def test_there_is_one_default_class_a_driver_or_none_is_taken(classes: Any, why: str) -> None:
    failed = plan(Facts(snapshot(volumeSnapshotClassName=None), **(source() | {"classes": classes})))[0]
    assert isinstance(failed, Fail)
    assert failed.reason == "SetDefaultSnapshotClassFailed"
    assert why in failed.message


def test_what_the_content_shows_the_snapshot_shows_and_its_claim_may_go() -> None:
    facts = Facts(snapshot(AS_SOURCE, BOUND), content(status=READY), claim(CLAIM_AS_SOURCE), volume(), (LOCAL,))
    shown, created, ready, freed = plan(facts)
    assert isinstance(shown, Write)
    assert shown.is_status
    assert shown.obj["status"] == SHOWN
    assert [each.reason for each in (created, ready) if isinstance(each, Say)] == ["SnapshotCreated", "SnapshotReady"]
    assert isinstance(freed, Write)
    assert meta.finalizers(freed.obj) == []
    assert plan(Facts(snapshot(AS_SOURCE, BOUND, status=SHOWN), content(status=READY), claim())) == []


def test_a_claim_of_which_another_snapshot_is_being_taken_is_kept() -> None:
    facts = Facts(snapshot(AS_SOURCE, BOUND, status=SHOWN), content(status=READY), claim(CLAIM_AS_SOURCE), claim_is_needed=True)
    assert plan(facts) == []


def test_a_claim_that_an_earlier_snapshot_has_kept_stays_for_one_that_begins() -> None:
    assert [type(each) for each in plan(Facts(snapshot(AS_SOURCE), **(source() | {"claim": claim(CLAIM_AS_SOURCE)})))] == [Create, Say]


def test_an_error_is_shown_until_it_is_ready() -> None:
    error = {"message": "full", "time": "2026-01-01T00:00:00Z"}
    failing = content(status={"readyToUse": False, "error": error})
    shown, said = plan(Facts(snapshot(AS_SOURCE, BOUND), failing, claim()))
    assert isinstance(shown, Write)
    assert shown.obj["status"]["error"] == error
    assert said == Say("SnapshotCreationFailed", "full", "Warning")
    known = snapshot(AS_SOURCE, BOUND, status=shown.obj["status"])
    assert plan(Facts(known, failing, claim())) == []
    healed = plan(Facts(known, content(status=READY), claim()))[0]
    assert isinstance(healed, Write)
    assert "error" not in healed.obj["status"]


GIVEN = {"source": {"volumeSnapshotContentName": "snapcontent-u"}}


def test_a_content_that_was_there_before_is_bound_to_its_snapshot_alone() -> None:
    bound = plan(Facts(snapshot(AS_SOURCE, **GIVEN), content(uid="", snapshotHandle="n1/x")))[0]
    assert isinstance(bound, Write)
    assert bound.obj["spec"]["volumeSnapshotRef"]["uid"] == "u"
    assert bound.obj["spec"]["volumeSnapshotClassName"] == "local"


@pytest.mark.parametrize(
    ("spec", "found", "reason"),
    [
        (GIVEN, None, "SnapshotContentMissing"),
        (GIVEN, content(uid="other", snapshotHandle="n1/x"), "SnapshotContentMisbound"),
        (GIVEN, content(uid=""), "SnapshotContentMismatch"),
        ({}, content(uid="other"), "SnapshotContentMisbound"),
        ({}, content(snapshotHandle="n1/x"), "SnapshotContentMismatch"),
    ],
)
def test_a_content_that_is_not_its_own_is_left_alone(spec: Object, found: Object | None, reason: str) -> None:
    failed = plan(Facts(snapshot(AS_SOURCE, **spec), found, claim()))[0]
    assert isinstance(failed, Fail)
    assert failed.reason == reason


def test_a_snapshot_that_has_lost_its_content_says_so_and_takes_no_other() -> None:
    failed = plan(Facts(snapshot(AS_SOURCE, BOUND, status=SHOWN), None, **source()))[0]
    assert failed == Fail("SnapshotContentMissing", "VolumeSnapshotContent is missing")


def test_a_deleted_snapshot_takes_its_content_with_it_and_waits_for_that() -> None:
    marked, deleted = plan(Facts(snapshot(AS_SOURCE, BOUND, deleting=True), content()))
    assert isinstance(marked, Write)
    assert meta.annotations(marked.obj)[BEING_DELETED] == "yes"
    assert isinstance(deleted, Delete)
    assert (
        plan(
            Facts(
                snapshot(AS_SOURCE, BOUND, deleting=True),
                marked.obj | content(deleting=True) | {"metadata": marked.obj["metadata"] | {"deletionTimestamp": "x"}},
            )
        )
        == []
    )
    (freed,) = plan(Facts(snapshot(AS_SOURCE, BOUND, deleting=True), None))
    assert isinstance(freed, Write)
    assert meta.finalizers(freed.obj) == []


def test_what_is_retained_stays_when_its_snapshot_goes() -> None:
    found = plan(Facts(snapshot(AS_SOURCE, deleting=True), content(policy="Retain")))
    assert not any(isinstance(each, Delete) for each in found)
    assert isinstance(found[-1], Write)
    assert meta.finalizers(found[-1].obj) == []


def test_a_snapshot_of_which_a_volume_is_being_made_waits() -> None:
    (said,) = plan(Facts(snapshot(AS_SOURCE, BOUND, deleting=True), content(), is_restored=True))
    assert isinstance(said, Say)
    assert said.reason == "SnapshotDeletePending"


def test_a_snapshot_that_is_deleted_before_it_is_ready_lets_its_claim_go() -> None:
    found = plan(Facts(snapshot(AS_SOURCE, deleting=True), content(), claim(CLAIM_AS_SOURCE)))
    assert isinstance(found[-1], Write)
    assert found[-1].obj["kind"] == "PersistentVolumeClaim"
    assert meta.finalizers(found[-1].obj) == []
