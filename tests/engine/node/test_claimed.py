"""Which volumes of claims a node mounts into a pod, and which it does not."""

import asyncio
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.engine.node.local_volumes.users import KIND
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.volumes import claimed as of_claims
from pilothouse.engine.node.volumes.claimed import ClaimedVolumes
from pilothouse.engine.node.volumes.projection import VolumeMissing
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.volumes import BIND_COMPLETED, LOCAL_PROVISIONER, NODE, PROVISIONED_BY


@dataclass
class Api:
    claims: dict[str, Object] = field(default_factory=dict)
    volumes: dict[str, Object] = field(default_factory=dict)

    async def claim(self, namespace: str, name: str) -> Object | None:
        return self.claims.get(name)

    async def volume(self, name: str) -> Object | None:
        return self.volumes.get(name)

    async def node(self) -> Object | None:
        return {"metadata": {"name": "n1", "labels": {"disk": "ssd"}}}


def claim(**metadata: Any) -> Object:
    meta = {"name": "c", "namespace": "default", "uid": "u", "annotations": {BIND_COMPLETED: "yes"}}
    return {"metadata": meta | metadata, "spec": {"volumeName": "v"}, "status": {"phase": "Bound"}}


def volume(annotations: Any = None, **spec: Any) -> Object:
    reference = {"namespace": "default", "name": "c", "uid": "u"}
    return {"metadata": {"name": "v", "annotations": annotations or {}}, "spec": {"claimRef": reference} | spec}


def affinity(value: str) -> Object:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": [value]}]}]}}


POD: Object = {"metadata": {"name": "p", "namespace": "default", "uid": "pod-uid"}, "spec": {}}
SOURCE: Object = {"name": "data", "persistentVolumeClaim": {"claimName": "c"}}
EPHEMERAL: Object = {"name": "data", "ephemeral": {"volumeClaimTemplate": {}}}


def claimed(home: Path, api: Api) -> ClaimedVolumes:
    config = NodeConfig(home=home, node_name="n1", instance="pilothouse-test")
    return ClaimedVolumes(config, api, LocalVolumes(config))


@pytest.mark.parametrize(
    ("found", "behind", "why"),
    [
        (None, None, 'persistentvolumeclaim "c" not found'),
        (claim(annotations={}), volume(), "is not bound to a volume yet"),
        (claim() | {"status": {"phase": "Lost"}}, volume(), "is not bound to a volume yet"),
        (claim(deletionTimestamp="2026-01-01T00:00:00Z"), volume(), "is being deleted"),
        (claim(), None, "bound to a volume that is not there for it"),
        (claim(uid="another"), volume(), "bound to a volume that is not there for it"),
        (claim(), volume(hostPath={"path": "/"}, volumeMode="Block"), "of a kind that cannot be mounted here"),
        (claim(), volume(hostPath={"path": "/"}, nodeAffinity=affinity("slow")), "cannot be reached from node n1"),
        (claim(), volume({PROVISIONED_BY: LOCAL_PROVISIONER, NODE: "n2"}, local={"path": "/etc"}), "cannot be reached from node n1"),
        (claim(), volume(cephfs={"monitors": ["m"]}), "of a kind that cannot be mounted here"),
    ],
)
async def test_what_is_not_surely_the_pods_is_not_mounted(tmp_path: Path, found: Object | None, behind: Object | None, why: str) -> None:
    api = Api({"c": found} if found else {}, {"v": behind} if behind else {})
    with pytest.raises(VolumeMissing, match=why):
        await claimed(tmp_path, api).mount(POD, SOURCE)


async def test_the_path_of_a_volume_that_was_made_here_is_not_believed(tmp_path: Path) -> None:
    made = volume({PROVISIONED_BY: LOCAL_PROVISIONER, NODE: "n1"}, local={"path": "/etc"})
    name = "pvc-11111111-2222-3333-4444-555555555555"
    made["metadata"]["name"] = name
    bound = claim() | {"spec": {"volumeName": name}}
    with pytest.raises(NotFound, match="its file is gone"):
        await claimed(tmp_path, Api({"c": bound}, {name: made})).mount(POD, SOURCE)


async def test_a_path_of_the_node_is_mounted_as_it_is(tmp_path: Path) -> None:
    behind = volume(hostPath={"path": str(tmp_path / "there"), "type": "DirectoryOrCreate"}, nodeAffinity=affinity("ssd"))
    assert await claimed(tmp_path, Api({"c": claim()}, {"v": behind})).mount(POD, SOURCE) == tmp_path / "there"


async def test_a_claim_whose_phase_is_still_to_be_written_is_bound(tmp_path: Path) -> None:
    api = Api({"c": claim() | {"status": {"phase": "Pending"}}}, {"v": volume(hostPath={"path": str(tmp_path)})})
    assert await claimed(tmp_path, api).mount(POD, SOURCE) == tmp_path


async def test_a_pod_that_has_a_path_of_the_node_keeps_it_while_its_claim_is_being_deleted(tmp_path: Path) -> None:
    api = Api({"c": claim()}, {"v": volume(hostPath={"path": str(tmp_path)})})
    volumes = claimed(tmp_path, api)
    await volumes.mount(POD, SOURCE)
    api.claims["c"] = claim(deletionTimestamp="2026-01-01T00:00:00Z")
    assert await volumes.mount(POD, SOURCE) == tmp_path
    await volumes.release("pod-uid")
    with pytest.raises(VolumeMissing, match="is being deleted"):
        await volumes.mount(POD, SOURCE)


async def test_of_two_pods_that_come_at_once_one_has_a_volume_for_one_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(descriptor: int, folder: Path) -> None:
        folder.rmdir()
        folder.symlink_to(os.readlink(f"/proc/self/fd/{descriptor}"))

    def meets(*_: Any, **__: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.3)

    both = threading.Barrier(2)
    monkeypatch.setattr(of_claims, "bind", bind)
    monkeypatch.setattr(of_claims, "give_to_group", meets)
    (tmp_path / "disk").mkdir()
    behind = volume(local={"path": str(tmp_path / "disk")}, accessModes=["ReadWriteOncePod"])
    volumes = claimed(tmp_path, Api({"c": claim()}, {"v": behind}))
    pods = [{"metadata": POD["metadata"] | {"uid": uid}, "spec": {"securityContext": {"fsGroup": 7}}} for uid in ("first", "second")]
    ends = await asyncio.gather(*(volumes.mount(each, SOURCE) for each in pods), return_exceptions=True)
    assert sorted(type(each).__name__ for each in ends) == ["PosixPath", "VolumeMissing"]


async def test_another_pod_that_is_just_leaving_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_claims, "bind", lambda descriptor, folder: None)
    (tmp_path / "disk").mkdir()
    behind = volume(local={"path": str(tmp_path / "disk")}, accessModes=["ReadWriteOncePod"])
    config = NodeConfig(home=tmp_path, node_name="n1", instance="pilothouse-test")
    left = config.pod_dir("leaving") / "volumes" / KIND / "data"
    left.parent.mkdir(parents=True)
    # Listed, and gone when it is looked at.
    left.symlink_to(tmp_path / "gone")
    found = await claimed(tmp_path, Api({"c": claim()}, {"v": behind})).mount(POD, SOURCE)
    assert found == config.pod_dir("pod-uid") / "volumes" / KIND / "data"


async def test_the_claim_of_an_ephemeral_volume_must_be_this_pods(tmp_path: Path) -> None:
    behind = volume(hostPath={"path": str(tmp_path)})
    behind["spec"]["claimRef"]["name"] = "p-data"
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "pod-uid", "controller": True}
    own, foreign = claim(name="p-data", ownerReferences=[owner]), claim(name="p-data")
    assert await claimed(tmp_path, Api({"p-data": own}, {"v": behind})).mount(POD, EPHEMERAL) == tmp_path
    with pytest.raises(VolumeMissing, match="was not made for this pod"):
        await claimed(tmp_path, Api({"p-data": foreign}, {"v": behind})).mount(POD, EPHEMERAL)


def test_a_claim_that_is_mounted_read_only_is_so_in_every_container() -> None:
    pod = {"spec": {"volumes": [SOURCE, {"name": "ro", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}]}}
    assert podspec.read_only_volumes(pod) == {"ro"}


def consuming(**container: Any) -> Object:
    return {"metadata": POD["metadata"], "spec": {"containers": [{"name": "c"} | container]}}


@pytest.mark.parametrize(
    ("mode", "container", "why"),
    [
        ("Block", {"volumeMounts": [{"name": "data", "mountPath": "/x"}]}, "has volumeMode Block, but is specified in volumeMounts"),
        (
            "Filesystem",
            {"volumeDevices": [{"name": "data", "devicePath": "/x"}]},
            "has volumeMode Filesystem, but is specified in volumeDevices",
        ),
    ],
)
async def test_a_volume_is_used_as_what_it_is(tmp_path: Path, mode: str, container: Object, why: str) -> None:
    api = Api({"c": claim()}, {"v": volume(local={"path": str(tmp_path)}, volumeMode=mode)})
    with pytest.raises(VolumeMissing, match=why):
        await claimed(tmp_path, api).mount(consuming(**container), SOURCE)


async def test_what_is_no_block_device_is_not_given_as_one(tmp_path: Path) -> None:
    api = Api({"c": claim()}, {"v": volume(local={"path": str(tmp_path)}, volumeMode="Block")})
    device = {"volumeDevices": [{"name": "data", "devicePath": "/dev/xvda"}]}
    volumes = claimed(tmp_path, api)
    with pytest.raises(OSError, match="is no block device"):
        await volumes.mount(consuming(**device), SOURCE)
    assert not list(tmp_path.glob("**/volumeDevices/*/*"))
