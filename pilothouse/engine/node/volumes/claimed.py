"""The volumes of claims in pods: looked up, checked against what the API says of them, and bound to a folder of the pod.

The folder is bound from an open descriptor and lives in the kernel: an agent that starts anew finds it, and asks nobody. A path of the
node is not bound, so it is noted for as long as the agent runs: a pod that has its volume keeps it, whatever becomes of the claim.
What a PersistentVolume states of paths is believed for those that an administrator has made; of a volume that was made here the path
follows from its name alone. Source: kubernetes pkg/kubelet/volumemanager, pkg/volume/local.
"""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from pilothouse.aio import apart
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi import wanted
from pilothouse.engine.node.csi.volumes import CsiVolumes
from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.mountpoints import bind, is_mount_point
from pilothouse.engine.node.files.ownership import give_to_group
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.engine.node.local_volumes.users import KIND
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.volumes import nfs
from pilothouse.engine.node.volumes.devices import DeviceVolumes
from pilothouse.engine.node.volumes.host_paths import host_path
from pilothouse.engine.node.volumes.projection import VolumeMissing
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.volumes import (
    BLOCK,
    LOCAL_PROVISIONER,
    NODE,
    ONE_POD,
    PROVISIONED_BY,
    ephemeral_name,
    fits_node,
    is_bound,
    is_claimed_by,
)
from pilothouse.model.volumes import is_made_for as is_made_for_pod
from pilothouse.model.volumes import mode as volume_mode

KINDS = ("persistentVolumeClaim", "ephemeral")


class Claims(Protocol):
    async def claim(self, namespace: str, name: str) -> Object | None: ...
    async def volume(self, name: str) -> Object | None: ...
    async def node(self) -> Object | None: ...


class ClaimedVolumes:
    """csi: mounts the volumes of drivers; None where there are none."""

    def __init__(self, config: NodeConfig, claims: Claims, local: LocalVolumes, csi: CsiVolumes | None = None) -> None:
        self._csi = csi
        self._config = config
        self._claims = claims
        self._local = local
        self._devices = DeviceVolumes(config)
        self._host_paths: dict[str, dict[str, Path]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def release(self, uid: str) -> None:
        """The pod of that uid has ended. Raises OSError."""
        self._host_paths.pop(uid, None)
        await self._devices.release(uid)

    async def mount(self, pod: Object, volume: Object) -> Path:
        """Where a volume of one of `KINDS` is. Raises VolumeMissing, ApiError, OSError with a sentence for the pod's event."""
        uid, name = meta.uid(pod), volume["name"]
        if (known := self._host_paths.get(uid, {}).get(name)) is not None:
            return known
        if (present := await asyncio.to_thread(self._present, uid, name)) is not None:
            return present
        if self._csi is not None and (there := await self._csi.published(uid, name)) is not None:
            return await self._looked_after(self._csi, pod, volume, there)
        claim, found = await self._volume(pod, volume)
        if volume_mode(found) == BLOCK and found["spec"].get("csi") is None:
            return await self._give(uid, name, found)
        spec = found["spec"]
        if spec.get("csi") is not None and self._csi is not None:
            return await self._csi.mount(pod, wanted.of_claim(found, volume, claim))
        if (source := spec.get("hostPath")) is not None:
            path: Path = await apart.begin(
                partial(host_path, str(self._config.on_node(source["path"])), source.get("type") or ""), f"path {source['path']}"
            )
            self._host_paths.setdefault(uid, {})[name] = path
            return path
        read_only = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
        if spec.get("nfs") is not None:
            return await self._mount_nfs(uid, name, found, read_only=read_only)
        folder: Path = self._config.pod_dir(uid) / "volumes" / KIND / name
        group = podspec.security(pod).get("fsGroup")
        policy = podspec.security(pod).get("fsGroupChangePolicy")
        source = await self._source(found)
        alone = set(spec.get("accessModes") or ()) == {ONE_POD}
        # One pod after the other: two that come at once would each find the volume free.
        async with self._turns.setdefault(meta.name(found), asyncio.Lock()):
            bound = partial(self._bind, source, folder, group, alone=alone, unless_root_is=policy == "OnRootMismatch", read_only=read_only)
            await apart.begin(bound, f"binding of {folder}")
        return folder

    async def _looked_after(self, csi: CsiVolumes, pod: Object, volume: Object, there: Path) -> Path:
        """Where the volume of a driver is: a pod that has it keeps it, whatever becomes of the claim."""
        if not csi.is_due(meta.uid(pod), volume["name"]):
            return there
        try:
            claim, found = await self._volume(pod, volume)
        except (VolumeMissing, ApiError):
            return there
        return await csi.mount(pod, wanted.of_claim(found, volume, claim))

    def _present(self, uid: str, name: str) -> Path | None:
        """What the pod has of the volume already. Blocking."""
        for kind in (KIND, nfs.KIND):
            folder: Path = self._config.pod_dir(uid) / "volumes" / kind / name
            if is_mount_point(folder):
                return folder
        return self._devices.given(uid, KIND, name)

    async def _mount_nfs(self, uid: str, name: str, found: Object, *, read_only: bool) -> Path:
        folder: Path = self._config.pod_dir(uid) / "volumes" / nfs.KIND / name
        await nfs.mount(found["spec"]["nfs"], folder, found["spec"].get("mountOptions") or (), read_only=read_only)
        return folder

    async def _give(self, uid: str, name: str, found: Object) -> Path:
        """A block volume."""
        alone = set(found["spec"].get("accessModes") or ()) == {ONE_POD}
        source = await self._source(found)
        async with self._turns.setdefault(meta.name(found), asyncio.Lock()):
            return await asyncio.to_thread(self._devices.give, uid, KIND, name, source, alone=alone)

    async def _volume(self, pod: Object, volume: Object) -> tuple[Object, Object]:
        """The claim and the PersistentVolume behind a volume of the pod, once it is surely the pod's to use."""
        namespace = meta.namespace(pod)
        stated = volume.get("persistentVolumeClaim")
        name = stated["claimName"] if stated is not None else ephemeral_name(pod, volume)
        claim = await self._claims.claim(namespace, name)
        if claim is None:
            raise VolumeMissing(f'persistentvolumeclaim "{name}" not found')
        if stated is None and not is_made_for_pod(claim, pod):
            raise VolumeMissing(f'persistentvolumeclaim "{name}" was not made for this pod; delete one of the two')
        if meta.is_deleting(claim):
            raise VolumeMissing(f'persistentvolumeclaim "{name}" is being deleted')
        # The phase is written last, and the scheduler does not wait for it: the pod would lose a second here whenever it comes first.
        if not is_bound(claim) or (claim.get("status") or {}).get("phase") == "Lost":
            raise VolumeMissing(f'persistentvolumeclaim "{name}" is not bound to a volume yet')
        found = await self._claims.volume(claim["spec"]["volumeName"])
        if found is None or not is_claimed_by(found, claim):
            raise VolumeMissing(f'persistentvolumeclaim "{name}" is bound to a volume that is not there for it')
        if why := _unlike(pod, volume["name"], volume_mode(found)):
            raise VolumeMissing(why)
        if not await self._is_reached(found):
            raise VolumeMissing(
                f"volume {meta.name(found)} cannot be reached from node {self._config.node_name}: its node affinity says so"
            )
        return claim, found

    async def _is_reached(self, volume: Object) -> bool:
        if _is_made_here(volume):
            return bool(meta.annotations(volume).get(NODE) == self._config.node_name)
        if not (volume["spec"].get("nodeAffinity") or {}).get("required"):
            return True
        node = await self._claims.node()
        return node is not None and fits_node(volume, node)

    async def _source(self, volume: Object) -> Path:
        if _is_made_here(volume):
            return await self._local.mount(meta.name(volume))
        if (local := volume["spec"].get("local")) is not None:
            path = Path(local["path"])
            if volume_mode(volume) != BLOCK and await apart.begin(path.is_block_device, str(path)):
                raise VolumeMissing(
                    f"{path} is a block device, and file systems on devices are not mounted here: mount it on the node and name the "
                    "folder, or make the volume and its claim with volumeMode Block"
                )
            return path
        raise VolumeMissing(f"volume {meta.name(volume)} is of a kind that cannot be mounted here")

    def _bind(self, source: Path, folder: Path, group: int | None, *, alone: bool, unless_root_is: bool, read_only: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with opened(os.open(source, FOLDER)) as root:
            if alone and (other := self._other_pod(os.fstat(root), folder)):
                raise VolumeMissing(f"the volume is for one pod at a time, and pod {other} of this node still has it")
            if group is not None:
                give_to_group(root, group, unless_root_is=unless_root_is, read_only=read_only)
            bind(root, folder)

    def _other_pod(self, source: os.stat_result, folder: Path) -> str:
        """The uid of a pod that has the same folder bound; "" for none."""
        for bound in self._config.pods_dir.glob(f"*/volumes/{KIND}/*"):
            if bound != folder and _is_same(bound, source):
                return bound.parts[-4]
        return ""


def _is_same(bound: Path, source: os.stat_result) -> bool:
    """Not of what cannot be looked at: its pod has just gone, or it is of a file system that fails, which the source does not."""
    try:
        return os.path.samestat(os.stat(bound), source)
    except OSError:
        return False


def _unlike(pod: Object, name: str, mode: str) -> str:
    """Why the pod cannot use a volume of that mode as its containers say; "" when it can. In upstream's words."""
    if mode == BLOCK and name in podspec.mounted_volumes(pod):
        return f"volume {name} has volumeMode Block, but is specified in volumeMounts"
    if mode != BLOCK and name in podspec.device_volumes(pod):
        return f"volume {name} has volumeMode {mode}, but is specified in volumeDevices"
    return ""


def _is_made_here(volume: Object) -> bool:
    """Whether it is one of the node's own making, whose place is known by its name."""
    return bool(meta.annotations(volume).get(PROVISIONED_BY) == LOCAL_PROVISIONER)
