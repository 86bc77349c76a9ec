"""What pods' volumes, logs and the files that their containers are given take on disk.

Measured in the background, since a tree may take long, and remembered until then.
One walk at a time, pod by pod; after a round the measurer rests at least as long as it has worked.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.aio.sharing import Shared
from pilothouse.engine.node.config import HOSTS_FILE, MESSAGE_FILES, NodeConfig
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.figures import Disk
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.stats.trees import measure

EMPTY_DIR = "kubernetes.io~empty-dir"


@dataclass(frozen=True, slots=True)
class OnDisk:
    """Of one pod. logs: by container. given: its hosts file and termination messages, which containers may write to."""

    volumes: Mapping[str, Disk] = field(default_factory=dict)
    logs: Mapping[str, Disk] = field(default_factory=dict)
    given: Disk = field(default_factory=Disk)


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
    return OnDisk(_each(folder, names), _each(logs, containers), _given(config.pod_dir(source.uid)))


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
