"""Claims, volumes and classes at the API: what they get, what is refused, what stays as it is."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
DEFAULT = "storageclass.kubernetes.io/is-default-class"


def claim(name: str = "c", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec}


def volume(name: str = "v", **spec: Any) -> Object:
    made = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/df"}}
    return {"metadata": {"name": name}, "spec": made | spec}


def storage_class(name: str = "s", **more: Any) -> Object:
    return {"metadata": {"name": name}, "provisioner": "example.com/p"} | more


def causes(error: Any) -> list[tuple[str, str]]:
    return [(each["field"], each["message"]) for each in error.details["causes"]]


async def test_what_is_not_stated_is_filled_in_as_upstream_does(api: Api) -> None:
    made = await api.post(CLAIMS, claim(storageClassName=""))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert (made["spec"]["volumeMode"], made["spec"]["storageClassName"], made["status"]) == ("Filesystem", "", {"phase": "Pending"})
    disk = await api.post(VOLUMES, volume(capacity={"storage": "1024Mi"}))
    assert disk["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    assert disk["spec"]["hostPath"] == {"path": "/df", "type": ""}
    assert (disk["spec"]["persistentVolumeReclaimPolicy"], disk["spec"]["volumeMode"]) == ("Retain", "Filesystem")
    assert (disk["spec"]["capacity"], disk["status"]["phase"]) == ({"storage": "1Gi"}, "Pending")
    assert disk["status"]["lastPhaseTransitionTime"]
    found = await api.post(CLASSES, storage_class())
    assert (found["reclaimPolicy"], found["volumeBindingMode"]) == ("Delete", "Immediate")


async def test_a_claim_without_a_class_gets_the_youngest_default_class(api: Api) -> None:
    assert (await api.post(CLAIMS, claim("first")))["spec"]["storageClassName"] == "local"
    await api.patch(f"{CLASSES}/local", {"metadata": {"annotations": {DEFAULT: "false"}}})
    assert "storageClassName" not in (await api.post(CLAIMS, claim("second")))["spec"]
    await api.post(CLASSES, storage_class("mine") | {"metadata": {"name": "mine", "annotations": {DEFAULT: "true"}}})
    assert (await api.post(CLAIMS, claim("third")))["spec"]["storageClassName"] == "mine"


@pytest.mark.parametrize(
    ("path", "wanted", "expected"),
    [
        (CLAIMS, claim(accessModes=[]), [("spec.accessModes", "Required value: at least 1 access mode is required")]),
        (CLAIMS, claim(resources={}), [("spec.resources[storage]", "Required value")]),
        (
            CLAIMS,
            claim(accessModes=["ReadWriteOncePod", "ReadWriteOnce"]),
            [("spec.accessModes", "Forbidden: may not use ReadWriteOncePod with other access modes")],
        ),
        (VOLUMES, volume(accessModes=[]), [("spec.accessModes", "Required value")]),
        (VOLUMES, volume(capacity={"storage": "0"}), [("spec.capacity[storage]", 'Invalid value: "0": must be greater than zero')]),
        (VOLUMES, volume(hostPath=None), [("spec", "Required value: must specify a volume type")]),
        (VOLUMES, volume(hostPath={"path": "/../x"}), [("spec.hostPath.path", "Invalid value: \"/../x\": must not contain '..'")]),
        (
            VOLUMES,
            volume(hostPath=None, local={"path": "/x"}),
            [("spec.nodeAffinity", "Required value: Local volume requires node affinity")],
        ),
        (VOLUMES, volume(nodeAffinity={}), [("spec.nodeAffinity.required", "Required value: must specify required node constraints")]),
        (VOLUMES, volume(hostPath=None, cephfs={"monitors": ["m"]}), [("spec.cephfs", "")]),
        (VOLUMES, volume(persistentVolumeReclaimPolicy="Recycle"), [("spec.persistentVolumeReclaimPolicy", "")]),
        (VOLUMES, volume(mountOptions=["ro"]), [("spec.mountOptions", "")]),
        (CLASSES, storage_class(provisioner=""), [("provisioner", "Required value")]),
        (CLASSES, storage_class(parameters={"": "x"}), [("parameters", 'Invalid value: "": field can not be empty.')]),
        (
            CLASSES,
            storage_class(volumeBindingMode="X"),
            [("volumeBindingMode", 'Unsupported value: "X": supported values: "Immediate", "WaitForFirstConsumer"')],
        ),
    ],
)
async def test_what_is_wrong_is_refused_by_its_field(api: Api, path: str, wanted: Object, expected: list[tuple[str, str]]) -> None:
    """An empty message: one of this platform's own."""
    error = await api.refused("POST", path, wanted)
    assert error.code == 422
    assert [field for field, _ in causes(error)] == [field for field, _ in expected]
    assert all(said == shown or not shown for (_, said), (_, shown) in zip(causes(error), expected, strict=True))


@pytest.mark.parametrize(
    ("path", "made", "patch", "field"),
    [
        (CLAIMS, claim("x", storageClassName=""), {"spec": {"accessModes": ["ReadWriteMany"]}}, "spec"),
        (CLAIMS, claim("x", storageClassName=""), {"spec": {"storageClassName": "other"}}, "spec"),
        (CLAIMS, claim("x", storageClassName=""), {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}, "spec"),
        (VOLUMES, volume("x"), {"spec": {"hostPath": {"path": "/other"}}}, "spec.persistentvolumesource"),
        (VOLUMES, volume("x"), {"spec": {"volumeMode": "Block"}}, "volumeMode"),
        (CLASSES, storage_class("x"), {"provisioner": "example.com/q"}, "provisioner"),
        (CLASSES, storage_class("x"), {"parameters": {"a": "b"}}, "parameters"),
    ],
)
async def test_what_is_settled_does_not_change(api: Api, path: str, made: Object, patch: Object, field: str) -> None:
    await api.post(path, made)
    error = await api.refused("PATCH", f"{path}/x", patch, "application/merge-patch+json")
    assert (error.code, [each for each, _ in causes(error)]) == (422, [field])


async def test_a_claim_names_its_volume_once_and_a_volume_may_be_said_to_be_larger(api: Api) -> None:
    await api.post(CLAIMS, claim(storageClassName=""))
    assert (await api.patch(f"{CLAIMS}/c", {"spec": {"volumeName": "v"}}))["spec"]["volumeName"] == "v"
    assert (await api.refused("PATCH", f"{CLAIMS}/c", {"spec": {"volumeName": "w"}}, "application/merge-patch+json")).code == 422
    await api.post(VOLUMES, volume())
    assert (await api.patch(f"{VOLUMES}/v", {"spec": {"capacity": {"storage": "2Gi"}}}))["spec"]["capacity"] == {"storage": "2Gi"}


async def test_a_source_that_is_stated_in_one_field_is_found_in_both(api: Api) -> None:
    made = await api.post(CLAIMS, claim(storageClassName="", dataSource={"kind": "PersistentVolumeClaim", "name": "old"}))
    assert made["spec"]["dataSourceRef"] == made["spec"]["dataSource"] == {"apiGroup": None, "kind": "PersistentVolumeClaim", "name": "old"}


async def test_pods_may_name_claims_and_have_claims_made_for_them(api: Api) -> None:
    template = {"spec": claim()["spec"]}
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        {"name": "b", "ephemeral": {"volumeClaimTemplate": template}},
    ]
    made = await api.post(PODS, pod("p", volumes=volumes, securityContext={"fsGroup": 1, "fsGroupChangePolicy": "OnRootMismatch"}))
    assert [sorted(each) for each in made["spec"]["volumes"][:2]] == [["name", "persistentVolumeClaim"], ["ephemeral", "name"]]


async def test_options_of_a_mount_are_taken_where_there_is_one(api: Api) -> None:
    made = volume(hostPath=None, nfs={"server": "s", "path": "/p"}, mountOptions=["nfsvers=4.2"])
    assert (await api.post(VOLUMES, made))["spec"]["mountOptions"] == ["nfsvers=4.2"]
