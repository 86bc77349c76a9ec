"""A storage driver without sidecars, deployed as a pod: a class, a pod's data, more room, a snapshot, copies, and back to nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.csi_driver.pod import driver_pod
from tests.csi_driver.store import Store
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(280)]

DRIVER = "folders.test"
STORAGE, SNAPSHOTS = "storage.k8s.io/v1", "snapshot.storage.k8s.io/v1"


OURS = "test=csi-drivers"


def named(name: str) -> dict[str, Any]:
    """Metadata of what goes before the driver does."""
    key, _, value = OURS.partition("=")
    return {"name": name, "labels": {key: value}}


@dataclass
class Deployed:
    """The driver in a namespace of the instance; store: what it has."""

    instance: Instance
    namespace: str
    image: str
    store: Store

    def apply(self, *objects: dict[str, Any]) -> None:
        for each in objects:
            self.instance.kubectl("apply", "-n", self.namespace, "-f", "-", input=json.dumps(each))

    def get(self, *words: str) -> Any:
        return self.instance.get("-n", self.namespace, *words)

    def claim(self, name: str, **spec: Any) -> dict[str, Any]:
        wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": DRIVER, "resources": {"requests": {"storage": "1Gi"}}}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named(name), "spec": wanted | spec}

    def pod(self, name: str, script: str) -> dict[str, Any]:
        """With the claim of its name at /data."""
        container = {"name": "main", "image": self.image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}
        container["volumeMounts"] = [{"name": "v", "mountPath": "/data"}]
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]
        spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": named(name), "spec": spec}

    def until(self, kind: str, name: str, holds: Any, deadline_s: float = 60) -> Any:
        def found() -> Any:
            obj = self.get(kind, name)
            return obj if holds(obj) else None

        return eventually(found, deadline_s)

    def reads(self, name: str) -> str:
        """What the running pod finds in the volume."""
        self.until("pod", name, lambda pod: pod["status"].get("phase") == "Running")
        return self.instance.kubectl("exec", "-n", self.namespace, name, "--", "cat", "/data/file").stdout


@pytest.fixture
def deployed(instance: Instance, namespace: str, busybox: str, tmp_path: Path) -> Iterator[Deployed]:
    instance.load_image(busybox)
    found = Deployed(instance, namespace, busybox, Store(tmp_path))
    annotations = {"csi.pilothouse.dev/sidecars": "all"}
    words = ("--with", "controller:PUBLISH_UNPUBLISH_VOLUME")
    found.apply(
        {
            "apiVersion": STORAGE,
            "kind": "CSIDriver",
            "metadata": {"name": DRIVER, "annotations": annotations},
            "spec": {"storageCapacity": True},
        },
        {
            "apiVersion": STORAGE,
            "kind": "StorageClass",
            "metadata": {"name": DRIVER},
            "provisioner": DRIVER,
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        },
        {
            "apiVersion": SNAPSHOTS,
            "kind": "VolumeSnapshotClass",
            "metadata": {"name": DRIVER},
            "driver": DRIVER,
            "deletionPolicy": "Delete",
        },
        driver_pod("driver", busybox, tmp_path, *words, namespace=namespace),
    )
    yield found
    # The driver goes last: it has the volumes.
    instance.kubectl("delete", "-n", namespace, "pods,pvc,volumesnapshots", "-l", OURS, "--timeout=60s", check=False)
    instance.kubectl("delete", "pod", "-n", namespace, "driver", check=False)
    instance.kubectl("delete", f"csidriver/{DRIVER}", f"storageclass/{DRIVER}", f"volumesnapshotclass/{DRIVER}", check=False)


def is_true(obj: dict[str, Any], type_: str) -> bool:
    return any(each["type"] == type_ and each["status"] == "True" for each in obj["status"].get("conditions") or ())


def test_data_of_a_pod_lies_with_a_driver_that_has_no_sidecars(deployed: Deployed, instance: Instance) -> None:
    deployed.apply(deployed.claim("data"), deployed.pod("data", "echo kept > /data/file; sleep 1000"))
    assert deployed.reads("data") == "kept\n"
    (attachment,) = instance.get("volumeattachments")["items"]
    assert (attachment["spec"]["attacher"], attachment["status"]["attached"]) == (DRIVER, True)

    bigger = json.dumps({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    instance.kubectl("patch", "pvc", "data", "-n", deployed.namespace, "-p", bigger)
    deployed.until("pvc", "data", lambda claim: claim["status"]["capacity"]["storage"] == "2Gi", 100)
    (volume,) = deployed.store.volumes()
    assert (volume.bytes, volume.node_bytes) == (2 << 30, 2 << 30)

    source = {"persistentVolumeClaimName": "data"}
    spec = {"volumeSnapshotClassName": DRIVER, "source": source}
    deployed.apply({"apiVersion": SNAPSHOTS, "kind": "VolumeSnapshot", "metadata": named("s"), "spec": spec})
    deployed.until("volumesnapshot", "s", lambda snapshot: (snapshot.get("status") or {}).get("readyToUse"))
    instance.kubectl("exec", "-n", deployed.namespace, "data", "--", "sh", "-c", "echo later > /data/file")
    room = {"resources": {"requests": {"storage": "2Gi"}}}
    restored = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    cloned = {"kind": "PersistentVolumeClaim", "name": "data"}
    for name, data_source in (("restored", restored), ("cloned", cloned)):
        deployed.apply(deployed.claim(name, dataSource=data_source, **room), deployed.pod(name, "sleep 1000"))
    assert (deployed.reads("restored"), deployed.reads("cloned")) == ("kept\n", "later\n")

    names = ("data", "restored", "cloned")
    instance.kubectl("delete", "-n", deployed.namespace, "volumesnapshot/s", *(f"pod/{name}" for name in names))
    instance.kubectl("delete", "-n", deployed.namespace, *(f"pvc/{name}" for name in names))
    eventually(lambda: not list(deployed.store.volumes()) and not list(deployed.store.snapshots()), 90)
    eventually(lambda: not instance.get("volumeattachments")["items"], 60)
    eventually(lambda: not [each for each in instance.get("pv")["items"] if each["spec"].get("csi")])


def test_a_claim_says_what_keeps_its_volume_from_being_made(deployed: Deployed, instance: Instance) -> None:
    """And is made as soon as that is over: the driver is started last."""
    instance.kubectl("delete", "pod", "-n", deployed.namespace, "driver")
    at_once = {"apiVersion": STORAGE, "kind": "StorageClass", "metadata": {"name": f"{DRIVER}-now"}, "provisioner": DRIVER}
    deployed.apply(at_once, deployed.claim("early", storageClassName=f"{DRIVER}-now"))

    def said() -> bool:
        events = deployed.get("events")["items"]
        return any("registered on no node" in each["message"] or "not registered on this node" in each["message"] for each in events)

    try:
        eventually(said, 60)
        words = ("--with", "controller:PUBLISH_UNPUBLISH_VOLUME")
        deployed.apply(driver_pod("driver", deployed.image, deployed.store.root, *words, namespace=deployed.namespace))
        deployed.until("pvc", "early", lambda claim: claim["status"]["phase"] == "Bound", 90)
        instance.kubectl("delete", "-n", deployed.namespace, "pvc/early")
        eventually(lambda: not list(deployed.store.volumes()), 60)
    finally:
        instance.kubectl("delete", f"storageclass/{DRIVER}-now", check=False)
