"""Volumes of a CSI driver are attached and detached in a cluster with all controllers; the driver's attacher is played by the test."""

from typing import Any

import pytest

from pilothouse.model import csi, meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, EVENTS, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS
from tests.engine.controllers.conftest import Cluster
from tests.engine.controllers.persistentvolume.objects import claim, fresh, node

DRIVER, HANDLE = "d.example.com", "h-1"
UNIQUE = f"kubernetes.io/csi/{DRIVER}^{HANDLE}"


def disk(**spec: Any) -> Object:
    made = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "csi": {"driver": DRIVER, "volumeHandle": HANDLE},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
    }
    return {"metadata": {"name": "disk"}, "spec": made | spec}


def pod(name: str, node_name: str) -> Object:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    return {"metadata": {"name": name}, "spec": {"nodeName": node_name, "containers": [{"name": "c", "image": "i"}], "volumes": volumes}}


def at(node_name: str) -> str:
    return csi.attachment_name(DRIVER, HANDLE, node_name)


@pytest.fixture
async def bound(cluster: Cluster) -> Cluster:
    for name in ("n1", "n2"):
        await cluster.create(NODES, node(name))
    await cluster.create(PERSISTENTVOLUMES, disk())
    await cluster.create(PERSISTENTVOLUMECLAIMS, fresh(claim(volumeName="disk")))
    await cluster.until_one(PERSISTENTVOLUMECLAIMS, "data", lambda obj: obj["status"]["phase"] == "Bound")
    return cluster


async def say(cluster: Cluster, node_name: str, **status: Any) -> None:
    await cluster.client.patch(VOLUMEATTACHMENTS, at(node_name), {"status": status}, subresource="status")


async def until_shown(cluster: Cluster, node_name: str, *names: str) -> None:
    def shown(obj: Object) -> bool:
        return [each["name"] for each in obj["status"].get("volumesAttached") or ()] == list(names)

    await cluster.until_one(NODES, node_name, shown)


async def uses(cluster: Cluster, node_name: str, *names: str) -> None:
    await cluster.client.patch(NODES, node_name, {"status": {"volumesInUse": list(names) or None}}, subresource="status")


async def until_gone(cluster: Cluster, node_name: str) -> None:
    await cluster.until(VOLUMEATTACHMENTS, lambda items: at(node_name) not in {meta.name(each) for each in items}, "gone", None)


async def test_a_volume_follows_its_pod_from_node_to_node_and_is_never_at_two(bound: Cluster) -> None:
    first = await bound.create(PODS, pod("p", "n1"))
    made = await bound.until_one(VOLUMEATTACHMENTS, at("n1"), lambda _: True)
    assert made["spec"] == {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "disk"}}
    await say(bound, "n1", attached=True)
    await until_shown(bound, "n1", UNIQUE)
    await uses(bound, "n1", UNIQUE)
    await bound.create(PODS, pod("q", "n2"))
    refusal = 'Multi-Attach error for volume "disk" Volume is already used by pod(s) p'
    await bound.until(EVENTS, lambda items: any(each["message"] == refusal for each in items))
    await bound.client.delete(PODS, meta.name(first), "default", grace_s=0)
    # Its node still has it mounted.
    await bound.until(EVENTS, lambda items: any("already exclusively attached" in each["message"] for each in items))
    assert [meta.name(each) for each in await bound.items(VOLUMEATTACHMENTS, None)] == [at("n1")]
    await uses(bound, "n1")
    await until_gone(bound, "n1")
    await until_shown(bound, "n1")
    await bound.until_one(VOLUMEATTACHMENTS, at("n2"), lambda _: True)


async def test_what_the_attacher_says_is_told_to_the_pod(bound: Cluster) -> None:
    await bound.create(PODS, pod("p", "n1"))
    await bound.until_one(VOLUMEATTACHMENTS, at("n1"), lambda _: True)
    await say(bound, "n1", attached=False, attachError={"message": "no such disk", "time": "2026-01-01T00:00:00Z"})
    expected = 'AttachVolume.Attach failed for volume "disk" : no such disk'
    found = await bound.until(EVENTS, lambda items: next((each for each in items if each["message"] == expected), None))
    assert (found["reason"], found["involvedObject"]["name"]) == ("FailedAttachVolume", "p")


async def test_a_driver_without_attaching_gets_no_attachments(bound: Cluster) -> None:
    await bound.create(PODS, pod("p", "n1"))
    await bound.until_one(VOLUMEATTACHMENTS, at("n1"), lambda _: True)
    await bound.create(CSIDRIVERS, {"metadata": {"name": DRIVER}, "spec": {"attachRequired": False}})
    await until_gone(bound, "n1")


async def test_an_attachment_that_somebody_made_otherwise_is_left_alone(bound: Cluster) -> None:
    spec = {"attacher": DRIVER, "nodeName": "n2", "source": {"persistentVolumeName": "disk"}}
    await bound.create(VOLUMEATTACHMENTS, {"metadata": {"name": "mine"}, "spec": spec})
    await bound.create(PODS, pod("p", "n1"))
    await bound.until_one(VOLUMEATTACHMENTS, at("n1"), lambda _: True)
    await bound.client.delete(PODS, "p", "default", grace_s=0)
    await until_gone(bound, "n1")
    assert [meta.name(each) for each in await bound.items(VOLUMEATTACHMENTS, None)] == ["mine"]


async def test_a_node_does_not_list_what_has_no_attachment(bound: Cluster) -> None:
    listed = {"volumesAttached": [{"name": UNIQUE, "devicePath": ""}, {"name": "other", "devicePath": ""}]}
    await bound.client.patch(NODES, "n1", {"status": listed}, subresource="status")
    await until_shown(bound, "n1", "other")
