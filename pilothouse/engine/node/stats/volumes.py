"""What pods' volumes, logs and the files that their containers are given take on disk.

Measured in the background, since a tree may take long, and remembered until then.
One walk at a time, pod by pod; after a round the measurer rests at least as long as it has worked.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.aio.sharing import Shared
from pilothouse.engine.node.config import HOSTS_FILE, MESSAGE_FILES, NodeConfig
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.figures import ClaimedFigures, Disk
from pilothouse.engine.node.stats.machine import filesystem
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.stats.trees import measure
from pilothouse.model.json import Object
from pilothouse.model.volumes import ephemeral_name

EMPTY_DIR, CLAIMED = "kubernetes.io~empty-dir", "kubernetes.io~local-volume"


@dataclass(frozen=True, slots=True)
class OnDisk:
    """Of one pod. logs: by container. given: its hosts file and termination messages, which containers may write to.

    claimed: volumes of claims that are file systems of their own, as the kernel says it.
    """

    volumes: Mapping[str, Disk] = field(default_factory=dict)
    logs: Mapping[str, Disk] = field(default_factory=dict)
    given: Disk = field(default_factory=Disk)
    claimed: Mapping[str, ClaimedFigures] = field(default_factory=dict)


class VolumeUsage:
    def __init__(self, config: NodeConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._known: dict[str, OnDisk] = {}
        self._round: Shared[None] | None = None
        self._ended_at = float("-inf")
        self._took_s = 0.0

    def of(self, uid: str) -> OnDisk:
        """As last measured; empty before that."""
        return self._known.get(uid, OnDisk())

    async def refresh(self, pods: Sequence[PodSource], max_age_s: float) -> None:
        """Returns when what is known is younger than that, or the last round too expensive to have another one yet."""
        age_s = self._clock() - self._ended_at
        if age_s < max(max_age_s, self._took_s):
            return
        if self._round is None:
            self._round = Shared(self._measure(list(pods)), name="node volume usage")
            self._round.when_done(self._over)
        await self._round.result()

    def _over(self) -> None:
        self._round = None
        self._ended_at = self._clock()

    async def _measure(self, pods: Sequence[PodSource]) -> None:
        began = self._clock()
        found: dict[str, OnDisk] = {}
        for source in pods:
            found[source.uid] = self._known[source.uid] = await asyncio.to_thread(_on_disk, self._config, source)
        self._known = found
        self._took_s = self._clock() - began


def _on_disk(config: NodeConfig, source: PodSource) -> OnDisk:
    metadata = source.pod["metadata"]
    folder = config.pod_dir(source.uid) / "volumes" / EMPTY_DIR
    names = [each["name"] for each in podspec.spec(source.pod).get("volumes") or () if each.get("emptyDir") is not None]
    logs = config.pod_logs(metadata["namespace"], metadata["name"], source.uid)
    containers = [each["name"] for each in podspec.all_containers(source.pod)]
    claimed = _claimed(config.pod_dir(source.uid) / "volumes" / CLAIMED, source.pod)
    return OnDisk(_each(folder, names), _each(logs, containers), _given(config.pod_dir(source.uid)), claimed)


def _claimed(folder: Path, pod: Object) -> dict[str, ClaimedFigures]:
    found: dict[str, ClaimedFigures] = {}
    for volume in podspec.spec(pod).get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName") or (
            ephemeral_name(pod, volume) if "ephemeral" in volume else ""
        )
        # A folder of a larger file system says nothing of what is in it.
        if claim and os.path.ismount(folder / volume["name"]):
            with suppress(OSError):
                found[volume["name"]] = ClaimedFigures(claim, filesystem(folder / volume["name"]))
    return found


def _given(folder: Path) -> Disk:
    messages = measure(folder / MESSAGE_FILES) or Disk()
    try:
        hosts = os.lstat(folder / HOSTS_FILE)
    except OSError:
        return messages
    return messages + Disk(hosts.st_blocks * 512, 1)


def _each(folder: Path, names: Sequence[str]) -> dict[str, Disk]:
    found = ((name, measure(folder / name)) for name in names)
    return {name: disk for name, disk in found if disk is not None}
