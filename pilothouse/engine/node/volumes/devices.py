"""Block volumes of pods: which device a container gets for each, looked up anew whenever one is made.

A pod has a link to the volume's file or device (`local_volumes.users`); the number of a device is never remembered, since after a restart
of the machine, or when somebody detaches it, it may be another's. Source: kubernetes pkg/kubelet/volumemanager, pkg/volume/local.
"""

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import loops, users
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.volumes.projection import VolumeMissing
from pilothouse.model.json import Object

READ_ONLY, READ_WRITE = "mr", "mrw"


class DeviceVolumes:
    def __init__(self, config: NodeConfig) -> None:
        self._config = config

    def given(self, uid: str, kind: str, name: str) -> Path | None:
        """What the pod has for the volume already. Blocking."""
        link = users.link_of(self._config.pod_dir(uid), kind, name)
        return link if link.is_symlink() else None

    def give(self, uid: str, kind: str, name: str, source: Path, *, alone: bool) -> Path:
        """source: the volume's file or device. alone: for one pod at a time. Blocking. Raises VolumeMissing, OSError."""
        if alone and (others := users.users_of(self._config.pods_dir, source, beside=uid)):
            raise VolumeMissing(f"the volume is for one pod at a time, and pod {others[0]} of this node still has it")
        link = users.link_of(self._config.pod_dir(uid), kind, name)
        users.link(link, source)
        try:
            device_of(link)
        except OSError:
            link.unlink()
            raise
        return link

    async def release(self, uid: str) -> None:
        """The pod has ended: files that no pod has any more go from their devices. Raises OSError."""
        await asyncio.to_thread(self._release, uid)

    def _release(self, uid: str) -> None:
        pod = self._config.pod_dir(uid)
        targets = users.targets_of(pod)
        for link in (pod / users.FOLDER).glob("*/*"):
            link.unlink()
        for target in targets:
            if users.users_of(self._config.pods_dir, target):
                continue
            if target.is_relative_to(self._config.volumes_dir):
                loops.detach(target)
            elif target.is_file() and not self._is_used_by_another_name(target):
                loops.detach_own(target)

    def _is_used_by_another_name(self, file: Path) -> bool:
        """A file of the node's, which volumes of kind `local` may name by several paths."""
        others = [each for pod in self._config.pods_dir.glob("*") for each in users.targets_of(pod)]
        return any(each.exists() and each.samefile(file) for each in others if not each.is_relative_to(self._config.volumes_dir))


def device_of(link: Path) -> Path:
    """The device that a link of a pod leads to now, or that its driver has put there. Blocking. Raises OSError."""
    target = Path(os.readlink(link)) if link.is_symlink() else link
    mode = target.stat().st_mode
    if stat.S_ISBLK(mode):
        return target
    if not stat.S_ISREG(mode):
        raise OSError(f"{target} is no block device")
    return loops.attach(target)


def container_devices(pod: Object, container: Object, volumes: Mapping[str, Path]) -> list[api.Device]:
    """volumes: name -> what the pod was given. Blocking. Raises ConfigMissing for a device that cannot be had."""
    read_only, found = podspec.read_only_volumes(pod), []
    for device in container.get("volumeDevices") or ():
        name, link = device["name"], volumes.get(device["name"])
        if link is None:
            raise ConfigMissing(f'cannot find volume "{name}" to pass into container')
        try:
            path = device_of(link)
        except OSError as error:
            raise ConfigMissing(f'the device of volume "{name}" cannot be had: {error.strerror or error}') from error
        permissions = READ_ONLY if name in read_only else READ_WRITE
        found.append(api.Device(container_path=device["devicePath"], host_path=str(path), permissions=permissions))
    return found
