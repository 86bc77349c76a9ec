"""Claims get volumes of a driver that has no provisioner of its own, and the volumes go with them; a real driver, faults on demand."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.controllers.csi.drivers import MOST_CALLS
from pilothouse.engine.controllers.csi.finalizers import IN_THE_MAKING
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, CSINODES, NAMESPACES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, SECRETS, VOLUMEATTACHMENTS
from pilothouse.model.volumes import BIND_COMPLETED, SELECTED_NODE, STORAGE_PROVISIONER
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.engine.controllers.csi.conftest import DRIVER, ZONE, Place
from tests.engine.controllers.persistentvolume.objects import claim, fresh

CLAIMS, VOLUMES = PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES


async def volume_of(place: Place, claim: Object) -> Object:
    found: Object = await place.cluster.until_one(VOLUMES, claim["spec"]["volumeName"], lambda _: True)
    return found


async def until_none(place: Place) -> None:
    await place.cluster.until(VOLUMES, lambda items: not items, "no volumes", None)


async def test_a_claim_gets_a_volume_of_the_driver_and_the_volume_goes_with_it(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class(parameters={"csi.storage.k8s.io/fstype": "ext4", "kind": "fast"}, mountOptions=["noatime"])
    await place.claim()
    bound = await place.bound()
    volume = await volume_of(place, bound)
    assert meta.name(volume) == f"pvc-{meta.uid(bound)}"
    assert volume["spec"]["csi"]["driver"] == DRIVER
    assert volume["spec"]["csi"]["volumeHandle"] == place.volumes()[0]
    assert (volume["spec"]["csi"]["fsType"], volume["spec"]["csi"]["volumeAttributes"]["made-by"]) == ("ext4", DRIVER)
    assert volume["spec"]["mountOptions"] == ["noatime"]
    assert (volume["spec"]["capacity"], volume["spec"]["persistentVolumeReclaimPolicy"]) == ({"storage": "1Gi"}, "Delete")
    assert "external-provisioner.volume.kubernetes.io/finalizer" in meta.finalizers(volume)
    request = place.driver.request("CreateVolume")
    assert dict(request.parameters) == {"kind": "fast"}
    assert list(request.volume_capabilities[0].mount.mount_flags) == ["noatime"]
    assert await place.said("ProvisioningSucceeded")
    await place.cluster.until_one(CLAIMS, "data", lambda obj: IN_THE_MAKING not in meta.finalizers(obj))
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await until_none(place)
    await place.until_removed()


async def test_what_is_retained_stays_at_the_driver_when_the_volume_is_deleted(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class(reclaimPolicy="Retain")
    await place.claim()
    bound = await place.bound()
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.cluster.until_one(VOLUMES, bound["spec"]["volumeName"], lambda obj: obj["status"]["phase"] == "Released")
    await place.cluster.client.delete(VOLUMES, bound["spec"]["volumeName"])
    await until_none(place)
    assert len(place.volumes()) == 1


async def test_a_driver_with_sidecars_of_its_own_is_not_served(place: Place) -> None:
    await place.register("n1")
    await place.cluster.create(CSIDRIVERS, {"metadata": {"name": DRIVER}, "spec": {}})
    await place.storage_class()
    await place.claim()
    assert "external provisioner 'folders.test'" in await place.said("ExternalProvisioning")
    assert place.sockets.asked == []
    await place.cluster.patch(CSIDRIVERS, DRIVER, {"metadata": {"annotations": {"csi.pilothouse.dev/sidecars": "provisioner"}}})
    assert await place.bound()


@pytest.mark.parametrize(
    ("prepared", "expected"),
    [
        ({"parameters": {"refuse": "no such pool"}}, "folders.test: CreateVolume: INVALID_ARGUMENT: no such pool"),
        (
            {"parameters": {"csi.storage.k8s.io/provisioner-secret-name": "s"}},
            "the class names a Secret without its namespace: add the parameter csi.storage.k8s.io/provisioner-secret-namespace",
        ),
        (
            {"parameters": {f"csi.storage.k8s.io/provisioner-secret-{each}": "missing" for each in ("name", "namespace")}},
            "there is no Secret missing/missing, which the driver needs; make it, or name another",
        ),
        ({"parameters": {"csi.storage.k8s.io/what": "s"}}, "parameter csi.storage.k8s.io/what, whose prefix is reserved"),
    ],
    ids=["the driver refuses", "half a Secret", "no Secret", "reserved"],
)
async def test_what_is_wrong_is_said_on_the_claim(place: Place, prepared: dict[str, Any], expected: str) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class(**prepared)
    await place.claim()
    assert expected in await place.said("ProvisioningFailed", expected)
    await place.cluster.until_one(CLAIMS, "data", lambda obj: IN_THE_MAKING not in meta.finalizers(obj))
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.cluster.until(CLAIMS, lambda items: not items)


async def test_a_claim_waits_for_a_driver_that_is_not_there_yet(place: Place) -> None:
    await place.serve()
    await place.storage_class()
    await place.claim()
    assert "registered on no node" in await place.said("ProvisioningFailed")
    await place.register("n1")
    assert await place.bound()


@pytest.mark.parametrize("options", [Options(required_secret="token=t0p")])
async def test_the_class_says_with_which_secrets_the_driver_is_asked(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    named = {"name": "${pvc.name}-key", "namespace": "${pvc.namespace}"}
    parameters = {
        f"csi.storage.k8s.io/{which}-secret-{key}": value for which in ("provisioner", "node-stage") for key, value in named.items()
    }
    await place.storage_class(parameters=parameters)
    await place.cluster.create(SECRETS, {"metadata": {"name": "data-key"}, "stringData": {"token": "t0p"}})
    await place.claim()
    volume = await volume_of(place, await place.bound())
    assert volume["spec"]["csi"]["nodeStageSecretRef"] == {"name": "data-key", "namespace": "default"}
    assert dict(place.driver.request("CreateVolume").secrets) == {"token": "t0p"}
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await until_none(place)
    assert dict(place.driver.request("DeleteVolume").secrets) == {"token": "t0p"}


async def test_a_claim_that_is_deleted_while_its_volume_is_being_made_leaves_none(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    # The driver makes the volume, and nobody hears of it.
    place.driver.faults.set("CreateVolume", Fault(code="DEADLINE_EXCEEDED", times=1, after=True))
    await place.claim()
    await place.said("ProvisioningFailed", "DEADLINE_EXCEEDED")
    assert len(place.volumes()) == 1
    place.driver.faults.set("CreateVolume", Fault(code="UNAVAILABLE", times=2))
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.cluster.until(CLAIMS, lambda items: not items)
    await place.until_removed()
    await until_none(place)


async def test_a_volume_that_was_begun_is_not_forgotten_when_its_secret_goes(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    secret = {"metadata": {"name": "key"}, "stringData": {"token": "t0p"}}
    await place.cluster.create(SECRETS, secret)
    parameters = {f"csi.storage.k8s.io/provisioner-secret-{each}": value for each, value in (("name", "key"), ("namespace", "default"))}
    await place.storage_class(parameters=parameters)
    place.driver.faults.set("CreateVolume", Fault(code="DEADLINE_EXCEEDED", after=True))
    await place.claim()
    await place.said("ProvisioningFailed", "DEADLINE_EXCEEDED")
    await place.cluster.client.delete(SECRETS, "key", "default")
    await place.said("ProvisioningFailed", "there is no Secret")
    await place.cluster.client.delete(CLAIMS, "data", "default")
    assert "there is no Secret" in await place.said("VolumeFailedDelete")
    place.driver.faults.clear("CreateVolume")
    await place.cluster.create(SECRETS, secret)
    await place.cluster.until(CLAIMS, lambda items: not items)
    await place.until_removed()


async def test_a_volume_that_was_begun_is_not_forgotten_when_it_cannot_be_removed(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    place.driver.faults.set("CreateVolume", Fault(code="DEADLINE_EXCEEDED", after=True))
    await place.claim()
    await place.said("ProvisioningFailed", "DEADLINE_EXCEEDED")
    place.driver.faults.set("DeleteVolume", Fault(code="FAILED_PRECONDITION", times=2))
    await place.cluster.client.delete(CLAIMS, "data", "default")
    place.driver.faults.clear("CreateVolume")
    await place.cluster.until(CLAIMS, lambda items: not items)
    await place.until_removed()


async def test_a_driver_never_gets_the_secrets_of_another_ones_class(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.cluster.create(SECRETS, {"metadata": {"name": "key"}, "stringData": {"token": "t0p"}})
    parameters = {f"csi.storage.k8s.io/provisioner-secret-{each}": value for each, value in (("name", "key"), ("namespace", "default"))}
    await place.storage_class("others", parameters, provisioner="others.test", volumeBindingMode="WaitForFirstConsumer")
    said = fresh(claim(storage_class="others"))
    said["metadata"] |= {"annotations": {STORAGE_PROVISIONER: DRIVER}, "finalizers": [IN_THE_MAKING]}
    await place.cluster.create(CLAIMS, said)
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.cluster.until(CLAIMS, lambda items: not items)
    assert "its class is for others" in await place.said("VolumeFailedDelete")
    assert place.driver.asked("CreateVolume") == []


async def test_a_driver_that_fails_to_remove_says_so_and_is_asked_again(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    await place.claim()
    await place.bound()
    place.driver.faults.set("DeleteVolume", Fault(code="INTERNAL", why="the array is down", times=2))
    await place.cluster.client.delete(CLAIMS, "data", "default")
    assert "the array is down" in await place.said("VolumeFailedDelete")
    await until_none(place)
    await place.until_removed()


async def test_a_hanging_driver_hurts_itself_alone(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    place.driver.faults.set("CreateVolume", Fault(hang_s=1.5))
    for number in range(8):
        await place.claim(f"stuck-{number}")
    async with asyncio.timeout(10):
        while len(place.driver.asked("CreateVolume")) < MOST_CALLS:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    assert len(place.driver.asked("CreateVolume")) == MOST_CALLS
    for number in range(8):
        await place.cluster.client.delete(CLAIMS, f"stuck-{number}", "default")
    place.driver.faults.clear("CreateVolume")
    await place.cluster.until(CLAIMS, lambda items: not items)
    await until_none(place)
    await place.until_removed()


@pytest.mark.parametrize("options", [Options(topology={ZONE: "a"})])
async def test_a_volume_is_made_where_its_first_pod_goes_and_is_reached_from_there_only(place: Place) -> None:
    await place.register("n1", zone="b")
    await place.register("n2", zone="a")
    await place.serve()
    await place.storage_class(volumeBindingMode="WaitForFirstConsumer")
    await place.claim()
    await asyncio.sleep(0.1)
    assert place.driver.asked("CreateVolume") == []
    await place.cluster.patch(CLAIMS, "data", {"metadata": {"annotations": {SELECTED_NODE: "n2"}}})
    volume = await volume_of(place, await place.bound())
    asked = place.driver.request("CreateVolume").accessibility_requirements
    assert [dict(each.segments) for each in asked.preferred] == [{ZONE: "a"}, {ZONE: "b"}]
    assert [dict(each.segments) for each in asked.requisite] == [{ZONE: "a"}, {ZONE: "b"}]
    expression = {"key": ZONE, "operator": "In", "values": ["a"]}
    assert volume["spec"]["nodeAffinity"] == {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    assert ("n2", "CreateVolume") in place.sockets.asked


@pytest.mark.parametrize("options", [Options(topology={ZONE: "a"})])
async def test_a_volume_is_removed_only_from_where_it_is_reached(place: Place) -> None:
    await place.register("n1", zone="a")
    await place.register("n2", zone="b")
    await place.serve()
    await place.storage_class()
    await place.claim()
    await place.bound()
    await place.cluster.client.delete(CSINODES, "n1")
    async with asyncio.timeout(10):
        while place.cluster.informers.of(CSINODES).get("n1") is not None:
            await asyncio.sleep(0.01)
    place.sockets.asked.clear()
    await place.cluster.client.delete(CLAIMS, "data", "default")
    assert "registered on no node that reaches the volume" in await place.said("VolumeFailedDelete")
    assert ("n2", "DeleteVolume") not in place.sockets.asked
    entry = {"name": DRIVER, "nodeID": "id-of-n1", "topologyKeys": [ZONE]}
    await place.cluster.create(CSINODES, {"metadata": {"name": "n1"}, "spec": {"drivers": [entry]}})
    await place.until_removed()


@pytest.mark.parametrize("options", [Options(topology={ZONE: "a"})])
async def test_a_volume_is_made_only_where_its_first_pod_goes(place: Place) -> None:
    await place.register("n1", "n3", zone="a")
    await place.register("n2", zone="b")
    await place.serve()
    await place.storage_class(volumeBindingMode="WaitForFirstConsumer")
    place.sockets.away = {"n1", "n3"}
    await place.claim()
    await place.cluster.patch(CLAIMS, "data", {"metadata": {"annotations": {SELECTED_NODE: "n1"}}})
    assert "does not answer" in await place.said("ProvisioningFailed")
    assert {node for node, _ in place.sockets.asked} == {"n1", "n3"}
    place.sockets.away = {"n1"}
    await place.bound()
    assert ("n3", "CreateVolume") in place.sockets.asked


@pytest.mark.parametrize("options", [Options(topology={ZONE: "a"}, capacity_bytes=1 << 20)])
async def test_a_driver_without_room_gives_the_claim_back_to_the_scheduler(place: Place) -> None:
    await place.register("n1", zone="a")
    await place.serve()
    await place.storage_class(volumeBindingMode="WaitForFirstConsumer")
    await place.claim()
    await place.cluster.patch(CLAIMS, "data", {"metadata": {"annotations": {SELECTED_NODE: "n1"}}})
    assert "RESOURCE_EXHAUSTED" in await place.said("ProvisioningFailed")
    await place.cluster.until_one(CLAIMS, "data", lambda obj: SELECTED_NODE not in meta.annotations(obj))


async def test_a_volume_can_be_a_copy_of_another_claims(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    await place.claim()
    first = await volume_of(place, await place.bound())
    source = {"kind": "PersistentVolumeClaim", "name": "data"}
    await place.claim("small", "1Mi", dataSource=source)
    assert "ask for as much at least" in await place.said("ProvisioningFailed")
    await place.claim("copy", dataSource=source)
    await place.bound("copy")
    asked = place.driver.request("CreateVolume").volume_content_source
    assert asked.volume.volume_id == first["spec"]["csi"]["volumeHandle"]


async def test_a_claim_that_only_says_it_has_a_volume_is_not_copied(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    await place.claim()
    bound = await place.bound()
    await place.cluster.create(NAMESPACES, {"metadata": {"name": "other"}})
    said = fresh(claim("mine", storage_class="folders", volumeName=bound["spec"]["volumeName"]))
    said["metadata"] |= {"namespace": "other", "annotations": {BIND_COMPLETED: "yes"}}
    await place.cluster.create(CLAIMS, said, "other")
    copy = fresh(claim("copy", storage_class="folders", dataSource={"kind": "PersistentVolumeClaim", "name": "mine"}))
    copy["metadata"]["namespace"] = "other"
    await place.cluster.create(CLAIMS, copy, "other")
    assert "has no volume yet" in await place.said("ProvisioningFailed", namespace="other")
    assert len(place.volumes()) == 1


async def test_a_claim_that_is_being_copied_stays_until_the_copy_is_made(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    await place.claim()
    await place.bound()
    source = {"kind": "PersistentVolumeClaim", "name": "data"}
    place.driver.faults.set("CreateVolume", Fault(code="DEADLINE_EXCEEDED"))
    await place.claim("copy", dataSource=source)
    await place.said("ProvisioningFailed", "DEADLINE_EXCEEDED")
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.claim("late", dataSource=source)
    assert "is being deleted" in await place.said("ProvisioningFailed", "is being deleted")
    place.driver.faults.clear("CreateVolume")
    await place.bound("copy")
    await place.cluster.client.delete(CLAIMS, "late", "default")
    await place.cluster.until(CLAIMS, lambda items: [meta.name(each) for each in items] == ["copy"])


async def test_a_copy_that_was_begun_is_undone_before_its_source_goes(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()
    await place.claim()
    await place.bound()
    place.driver.faults.set("CreateVolume", Fault(code="DEADLINE_EXCEEDED", after=True))
    await place.claim("copy", dataSource={"kind": "PersistentVolumeClaim", "name": "data"})
    await place.said("ProvisioningFailed", "DEADLINE_EXCEEDED")
    for name in ("copy", "data"):
        await place.cluster.client.delete(CLAIMS, name, "default")
    await asyncio.sleep(0.2)
    place.driver.faults.clear("CreateVolume")
    await place.cluster.until(CLAIMS, lambda items: not items)
    await place.until_removed()


async def test_a_volume_that_is_attached_is_not_removed(place: Place) -> None:
    """Its attachment's end is waited for."""

    await place.register("n1")
    await place.serve("provisioner")
    await place.storage_class()
    await place.claim()
    bound = await place.bound()
    spec = {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": bound["spec"]["volumeName"]}}
    await place.cluster.create(VOLUMEATTACHMENTS, {"metadata": {"name": "mine"}, "spec": spec})
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.cluster.until_one(VOLUMES, bound["spec"]["volumeName"], lambda obj: obj["status"]["phase"] == "Released")
    await asyncio.sleep(0.2)
    assert len(place.volumes()) == 1
    await place.cluster.client.delete(VOLUMEATTACHMENTS, "mine")
    await until_none(place)
    await place.until_removed()
