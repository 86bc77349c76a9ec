from typing import Any

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object
from tests.cli.shop import CREATED, NOW, metadata, note


def claim(phase: str = "Bound", *conditions: Object, **more: Any) -> Object:
    spec = {"storageClassName": "local", **({"volumeName": "pvc-1"} if phase != "Pending" else {})}
    status = {"phase": phase, "capacity": {"storage": "2Gi"}, "conditions": list(conditions)}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata("data", "claim-uid", **more), "spec": spec, "status": status}


def user(name: str = "db-0") -> Object:
    return {"kind": "Pod", "metadata": metadata(name, name), "spec": {}, "status": {"phase": "Running"}}


def seen(owner: Object, *pods: Object, **more: Any) -> Scene:
    return Scene(kind="PersistentVolumeClaim", name="data", now=NOW, workload=owner, pods=pods, **more)


def test_one_that_is_bound_tells_of_its_volume_and_of_who_has_it() -> None:
    told = "persistentvolumeclaim data has 2Gi in volume pvc-1 of class local, "
    assert explain(seen(claim(), user())).sentence == f"{told}used by pod db-0"
    assert explain(seen(claim())).sentence == f"{told}and no pod uses it"


def test_one_that_waits_says_for_what() -> None:
    waits = claim("Pending")
    assert explain(seen(waits)).sentence.endswith("waits for a volume")
    late = [note(waits, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")]
    assert explain(seen(waits, notes=late)).sentence.endswith("waits for the first pod that mounts it")


def test_what_its_provisioner_says_is_the_cause() -> None:
    waits = claim("Pending")
    said = 'failed to provision volume with StorageClass "local": 5 TiB are more than the 60 GiB that are left; ask for less, or make room'
    found = explain(seen(waits, notes=[note(waits, "ProvisioningFailed", said)]))
    assert found.sentence.startswith("persistentvolumeclaim data has no volume: claim data gets no volume: 5 TiB are more")
    assert found.next_step == "ask for less, or make room"


def test_a_claim_that_goes_names_the_pods_that_hold_it() -> None:
    found = explain(seen(claim(deletionTimestamp=CREATED), user(), user("db-1")))
    assert found.sentence.startswith("persistentvolumeclaim data is being deleted: pod db-0 and 1 more still use it; ")


def test_a_claim_whose_volume_is_gone_says_so() -> None:
    assert explain(seen(claim("Lost"))).chain == ("volume pvc-1 does not exist any more",)


def test_growth_that_waits_for_the_pod_names_it() -> None:
    pending = {"type": "FileSystemResizePending", "status": "True"}
    found = explain(seen(claim("Bound", pending), user()))
    assert found.chain == ("its file system grows when it is mounted next",)
    assert found.next_step == "end pod db-0 once; the data stays"


def test_growth_that_failed_is_told() -> None:
    failed = {"type": "ControllerResizeError", "status": "True", "message": "no room"}
    assert explain(seen(claim("Bound", failed))).chain == ("no room", "the volume could not be made larger")


def test_a_class_of_attributes_that_cannot_be_had_is_told() -> None:
    failed = {"type": "ModifyVolumeError", "status": "True", "message": "node n1 cannot limit the I/O of volumes"}
    found = explain(seen(claim("Bound", failed)))
    assert found.chain == ("node n1 cannot limit the I/O of volumes", "the volume has the attributes that it had")
    assert "another VolumeAttributesClass" in found.next_step


def test_trouble_of_a_bound_claim_is_told_for_a_quarter_of_an_hour() -> None:
    said = note(claim(), "VolumeResizeFailed", "the node does not answer", 60)
    assert explain(seen(claim(), notes=[said])).chain == ("the node does not answer",)
    assert not explain(seen(claim(), notes=[note(claim(), "VolumeResizeFailed", "the node does not answer", 1000)])).chain
