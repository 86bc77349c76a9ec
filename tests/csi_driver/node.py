"""The node's part, with real mounts: a volume is staged and published by binding its folder, or its loop device, to a path.

It is strict about order: what is not attached is not staged, what is not staged is not published, what is published is not unstaged.
"""

import asyncio
import os
import subprocess
from pathlib import Path

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.files.mountpoints import bind, mounts_below, unmount
from tests.csi_driver.options import Options
from tests.csi_driver.serving import Handlers, Refused
from tests.csi_driver.store import Store, Volume

EPHEMERAL = "csi.storage.k8s.io/ephemeral"


class Node:
    def __init__(self, options: Options, store: Store) -> None:
        self._options = options
        self._store = store

    def handlers(self) -> Handlers:
        return [
            (methods.NODE_GET_CAPABILITIES, self.capabilities),
            (methods.NODE_GET_INFO, self.info),
            (methods.NODE_STAGE_VOLUME, self.stage),
            (methods.NODE_UNSTAGE_VOLUME, self.unstage),
            (methods.NODE_PUBLISH_VOLUME, self.publish),
            (methods.NODE_UNPUBLISH_VOLUME, self.unpublish),
            (methods.NODE_EXPAND_VOLUME, self.expand),
            (methods.NODE_GET_VOLUME_STATS, self.stats),
        ]

    async def capabilities(self, request: csi.NodeGetCapabilitiesRequest) -> csi.NodeGetCapabilitiesResponse:
        rpc = csi.NodeServiceCapability.RPC
        each = [csi.NodeServiceCapability(rpc=rpc(type=rpc.Type.Value(name))) for name in self._options.node]
        return csi.NodeGetCapabilitiesResponse(capabilities=each)

    async def info(self, request: csi.NodeGetInfoRequest) -> csi.NodeGetInfoResponse:
        answer = csi.NodeGetInfoResponse(node_id=self._options.node_id, max_volumes_per_node=self._options.max_volumes)
        if self._options.topology:
            answer.accessible_topology.segments.update(self._options.topology)
        return answer

    async def stage(self, request: csi.NodeStageVolumeRequest) -> csi.NodeStageVolumeResponse:
        found, target = self._store.volume(request.volume_id), request.staging_target_path
        if self._options.attaches and request.publish_context.get("attached") != self._options.node_id:
            raise Refused("FAILED_PRECONDITION", f"volume {found.id} is not attached here: {dict(request.publish_context)}")
        if not Path(target).is_dir():
            raise Refused("INVALID_ARGUMENT", f"staging path {target} is not there")
        self._check_secret(request.secrets)
        if target not in found.staged:
            block = request.volume_capability.HasField("block")
            if not block:
                await asyncio.to_thread(_bind, self._store.data(found.id), Path(target))
            found.staged[target] = block
            self._store.write(found)
        return csi.NodeStageVolumeResponse()

    async def unstage(self, request: csi.NodeUnstageVolumeRequest) -> csi.NodeUnstageVolumeResponse:
        found, target = self._store.volume(request.volume_id), request.staging_target_path
        if published := [path for path, staged in found.published.items() if staged == target]:
            raise Refused("FAILED_PRECONDITION", f"volume {found.id} is still published at {published[0]}")
        await asyncio.to_thread(unmount, target)
        found.staged.pop(target, None)
        self._store.write(found)
        return csi.NodeUnstageVolumeResponse()

    async def publish(self, request: csi.NodePublishVolumeRequest) -> csi.NodePublishVolumeResponse:
        ephemeral = request.volume_context.get(EPHEMERAL) == "true"
        found = self._ephemeral(request) if ephemeral else self._store.volume(request.volume_id)
        staged = request.staging_target_path
        if self._options.stages and not ephemeral and staged not in found.staged:
            raise Refused("FAILED_PRECONDITION", f"volume {found.id} is not staged at {staged!r}")
        self._check_secret(request.secrets)
        target = Path(request.target_path)
        if not target.parent.is_dir():
            raise Refused("INVALID_ARGUMENT", f"the folder of {target} is not there")
        await asyncio.to_thread(self._publish, found, target, request)
        found.published[str(target)] = staged
        found.parameters["context"] = repr(dict(request.volume_context))
        self._store.write(found)
        return csi.NodePublishVolumeResponse()

    def _ephemeral(self, request: csi.NodePublishVolumeRequest) -> Volume:
        try:
            return self._store.volume(request.volume_id)
        except Refused:
            made = Volume(request.volume_id, ephemeral=True, parameters=dict(request.volume_context))
            self._store.write(made)
            return made

    def _publish(self, found: Volume, target: Path, request: csi.NodePublishVolumeRequest) -> None:
        if mounts_below(target):
            return
        if request.volume_capability.HasField("block"):
            target.touch()
            _bind(Path(self._loop(found)), target)
            return
        target.mkdir(exist_ok=True)
        group = request.volume_capability.mount.volume_mount_group
        if group and "VOLUME_MOUNT_GROUP" in self._options.node:
            os.chown(self._store.data(found.id), -1, int(group))
            self._store.data(found.id).chmod(0o2770)
        _bind(self._store.data(found.id), target)

    def _loop(self, found: Volume) -> str:
        image = self._store.image(found.id)
        with image.open("ab"):
            os.truncate(image, found.bytes)
        held = _losetup("-j", str(image))
        return held.split(":")[0] if held else _losetup("--find", "--show", str(image))

    async def unpublish(self, request: csi.NodeUnpublishVolumeRequest) -> csi.NodeUnpublishVolumeResponse:
        found = self._store.volume(request.volume_id)
        await asyncio.to_thread(self._unpublish, found, Path(request.target_path))
        found.published.pop(request.target_path, None)
        if found.ephemeral:
            self._store.remove(found.id)
        else:
            self._store.write(found)
        return csi.NodeUnpublishVolumeResponse()

    def _unpublish(self, found: Volume, target: Path) -> None:
        unmount(target)
        if target.is_dir():
            target.rmdir()
        elif target.exists():
            target.unlink()
            for line in _losetup("-j", str(self._store.image(found.id))).splitlines():
                _losetup("--detach", line.split(":")[0])

    async def expand(self, request: csi.NodeExpandVolumeRequest) -> csi.NodeExpandVolumeResponse:
        found = self._store.volume(request.volume_id)
        if request.volume_path not in {*found.published, *found.staged}:
            raise Refused("NOT_FOUND", f"volume {found.id} is not at {request.volume_path}")
        found.node_bytes = max(found.node_bytes, request.capacity_range.required_bytes)
        self._store.write(found)
        return csi.NodeExpandVolumeResponse(capacity_bytes=found.node_bytes)

    async def stats(self, request: csi.NodeGetVolumeStatsRequest) -> csi.NodeGetVolumeStatsResponse:
        found = self._store.volume(request.volume_id)
        if request.volume_path not in found.published:
            raise Refused("NOT_FOUND", f"volume {found.id} is not at {request.volume_path}")
        files = [each for each in self._store.data(found.id).rglob("*") if each.is_file()]
        used = sum(each.stat().st_size for each in files)
        condition = csi.VolumeCondition(abnormal=bool(found.abnormal), message=found.abnormal or "all is well")
        answer = csi.NodeGetVolumeStatsResponse(volume_condition=condition)
        answer.usage.add(unit=csi.VolumeUsage.BYTES, total=found.bytes, used=used, available=found.bytes - used)
        answer.usage.add(unit=csi.VolumeUsage.INODES, total=1000, used=len(files), available=1000 - len(files))
        return answer

    def _check_secret(self, secrets: object) -> None:
        name, _, value = self._options.required_secret.partition("=")
        if name and dict(secrets).get(name) != value:  # type: ignore[call-overload]
            raise Refused("UNAUTHENTICATED", f"secret {name} is missing or wrong")


def _bind(source: Path, target: Path) -> None:
    if not mounts_below(target):
        with opened(os.open(source, os.O_PATH | os.O_CLOEXEC)) as found:
            bind(found, target)


def _losetup(*words: str) -> str:
    done = subprocess.run(["/usr/sbin/losetup", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused("INTERNAL", done.stderr.strip())
    return done.stdout.strip()
