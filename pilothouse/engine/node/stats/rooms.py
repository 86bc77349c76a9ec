"""How much room is left in the volumes of claims and drivers, while somebody reads figures.

File systems of this node are asked each time, drivers once a minute: one that does not answer within a moment shows no figures, and holds
up nobody else's.
Source: kubernetes pkg/kubelet/server/stats/volume_stat_calculator.go.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pilothouse.aio.apart import Apart
from pilothouse.aio.sharing import Shared
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.stats import VolumeRoom
from pilothouse.engine.node.files.mountpoints import is_mount_point
from pilothouse.engine.node.local_volumes.users import KIND
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import ephemeral_name

AGE_S = 60.0
LOOK_S, MOST_LOOKS = 2.0, 16
OfDrivers = Callable[[str], Awaitable[dict[str, VolumeRoom]]]
"""By uid of a pod, its volumes of drivers, by their names in the pod."""


async def no_drivers(uid: str) -> dict[str, VolumeRoom]:
    return {}


@dataclass(frozen=True, slots=True)
class PodRoom:
    """Of one volume. name: in the pod. claim: its name, "" for a volume without one."""

    name: str
    claim: str
    room: VolumeRoom


class Rooms:
    """clock: seconds that never go back. look_s: how long a file system may take."""

    def __init__(
        self,
        config: NodeConfig,
        pods: Callable[[], Sequence[PodSource]],
        of_drivers: OfDrivers,
        clock: Callable[[], float],
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._look_s = look_s
        self._looks = Apart(MOST_LOOKS)
        self._config = config
        self._pods = pods
        self._of_drivers = of_drivers
        self._clock = clock
        self._known: dict[str, tuple[PodRoom, ...]] = {}
        self._asked: dict[str, tuple[float, dict[str, VolumeRoom]]] = {}
        self._round: Shared[None] | None = None

    def of(self, uid: str) -> tuple[PodRoom, ...]:
        return self._known.get(uid, ())

    def all(self) -> list[tuple[Object, PodRoom]]:
        """With the pod of each."""
        return [(source.pod, each) for source in self._pods() for each in self.of(source.uid)]

    async def refresh(self) -> None:
        """Returns when what is known is young enough."""
        if self._round is None:
            self._round = Shared(self._measure(list(self._pods())), name="node volume rooms")
            self._round.when_done(self._over)
        await self._round.result()

    def _over(self) -> None:
        self._round = None

    async def _measure(self, pods: Sequence[PodSource]) -> None:
        found = await asyncio.gather(*(self._of_pod(source) for source in pods))
        self._known = {source.uid: rooms for source, rooms in zip(pods, found, strict=True) if rooms}
        self._asked = {uid: each for uid, each in self._asked.items() if uid in self._known}

    async def _of_pod(self, source: PodSource) -> tuple[PodRoom, ...]:
        claims = _claims(source.pod)
        if not claims and not any(each.get("csi") is not None for each in podspec.spec(source.pod).get("volumes") or ()):
            return ()
        mounted = await asyncio.to_thread(_mounted_here, self._config.pod_dir(source.uid) / "volumes" / KIND)
        looked = await asyncio.gather(*(self._room(each) for each in mounted))
        here = {each.name: room for each, room in zip(mounted, looked, strict=True) if room is not None}
        rooms = here | await self._asked_drivers(source.uid)
        return tuple(PodRoom(name, claims.get(name, ""), room) for name, room in sorted(rooms.items()))

    async def _room(self, volume: Path) -> VolumeRoom | None:
        try:
            disk = await self._looks.run(volume, partial(os.statvfs, volume), self._look_s)
        except OSError:
            return None
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        inodes = (disk.f_files, disk.f_favail, disk.f_files - disk.f_ffree)
        return VolumeRoom(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, used, *inodes)

    async def _asked_drivers(self, uid: str) -> dict[str, VolumeRoom]:
        at, rooms = self._asked.get(uid, (float("-inf"), {}))
        if self._clock() - at >= AGE_S:
            rooms = await self._of_drivers(uid)
            self._asked[uid] = (self._clock(), rooms)
        return rooms


def _claims(pod: Object) -> dict[str, str]:
    """By the volume's name in the pod."""
    found = {}
    for volume in podspec.spec(pod).get("volumes") or ():
        if volume.get("persistentVolumeClaim") is not None:
            found[volume["name"]] = volume["persistentVolumeClaim"]["claimName"]
        elif volume.get("ephemeral") is not None:
            found[volume["name"]] = ephemeral_name(pod, volume)
    return found


def _mounted_here(folder: Path) -> list[Path]:
    """Volumes that lie on this node: their file systems say how large they are."""
    return [each for each in folder.iterdir() if is_mount_point(each)] if folder.is_dir() else []


def key_of(pod: Object, room: PodRoom) -> dict[str, str]:
    """The labels of a claim's figures."""
    return {"namespace": meta.namespace(pod), "persistentvolumeclaim": room.claim}
