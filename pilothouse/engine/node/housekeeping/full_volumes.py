"""Says of claims that their volume is nearly full, before or when writes to it fail: to who looks at the claim, and at its pods.

Only volumes with a file system of their own: a folder of a larger one says nothing. Said once, and again when it has had room meanwhile.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes.users import KIND
from pilothouse.engine.node.pod import podspec
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from pilothouse.model.volumes import ephemeral_name

FULL_PERCENT, ROOM_PERCENT = 95, 90
"""From when a volume is full, and below which it has room again."""


class FullVolumes:
    def __init__(self, config: NodeConfig, client: Client, recorder: Recorder) -> None:
        self._config = config
        self._client = client
        self._recorder = recorder
        self._full: set[tuple[str, str]] = set()

    async def look(self, pods: Iterable[Object]) -> None:
        """pods: that the node has. Raises OSError."""
        known = {(meta.uid(pod), name): (pod, claim) for pod in pods for name, claim in _claims(pod)}
        used = await asyncio.to_thread(lambda: {key: self._used_percent(*key) for key in known})
        self._full &= {key for key, percent in used.items() if percent >= ROOM_PERCENT}
        for key, percent in used.items():
            if percent >= FULL_PERCENT and key not in self._full:
                self._full.add(key)
                await self._say(*known[key], percent)

    def _used_percent(self, uid: str, name: str) -> int:
        """Of its bytes or its inodes, whichever is more; 0 where that says nothing."""
        folder: Path = self._config.pod_dir(uid) / "volumes" / KIND / name
        try:
            if not os.path.ismount(folder):
                return 0
            found = os.statvfs(folder)
        except OSError:  # It has gone meanwhile.
            return 0
        left = [(found.f_bavail, found.f_blocks), (found.f_favail, found.f_files)]
        return max((100 - 100 * free // whole for free, whole in left if whole), default=0)

    async def _say(self, pod: Object, claim_name: str, percent: int) -> None:
        why = (
            f"the volume of claim {claim_name} is full: {percent}% of it is used, and writes to it fail; "
            "raise spec.resources.requests.storage of the claim, or make room in it"
        )
        self._recorder.say({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]}, "Warning", "VolumeFull", why)
        try:
            claim = await self._client.get_or_none(PERSISTENTVOLUMECLAIMS, claim_name, meta.namespace(pod))
        except ApiError:
            return
        if claim is not None:
            about = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim["metadata"]}
            self._recorder.say(about, "Warning", "VolumeFull", why)


def _claims(pod: Object) -> Iterator[tuple[str, str]]:
    """Each volume of the pod that is a claim's, with that claim's name."""
    for volume in podspec.spec(pod).get("volumes") or ():
        if (stated := volume.get("persistentVolumeClaim")) is not None:
            yield volume["name"], stated["claimName"]
        elif volume.get("ephemeral") is not None:
            yield volume["name"], ephemeral_name(pod, volume)
