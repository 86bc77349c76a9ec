"""Gathers the figures of the node: when somebody asks, at most once a second, for all who ask meanwhile together.

One call of the runtime for all containers; everything that reads files does so in a thread. What cannot be had is left out: a pod
whose cgroup is gone shows no CPU, and while the runtime does not answer, containers show what they had.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from pilothouse.aio.sharing import Shared
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import cgroups, processors
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import Container, Runtime, RuntimeFailure, Usage
from pilothouse.engine.node.stats import cgroup, machine
from pilothouse.engine.node.stats.figures import (
    ContainerFigures,
    Cpu,
    Disk,
    Figures,
    Interface,
    Memory,
    NodeFigures,
    PodFigures,
    Throttling,
)
from pilothouse.engine.node.stats.rates import Rates
from pilothouse.engine.node.stats.rooms import OfDrivers, Rooms, no_drivers
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.stats.volumes import OnDisk, VolumeUsage

log = structlog.get_logger("node.stats")

FRESH_S = 1.0
IMAGES_S = 30.0


class Statistics:
    """pods: what the node has at the moment. clock: seconds on a clock that never goes back. of_drivers: the room in volumes of drivers."""

    def __init__(
        self,
        runtime: Runtime,
        config: NodeConfig,
        pods: Callable[[], Sequence[PodSource]],
        clock: Callable[[], float] = time.monotonic,
        of_drivers: OfDrivers = no_drivers,
    ) -> None:
        self._runtime = runtime
        self._config = config
        self._pods = pods
        self._clock = clock
        self._usage: dict[str, Usage] = {}
        self._rates = Rates()
        self._last: Figures | None = None
        self._taken_at = float("-inf")
        self._images = (float("-inf"), 0)
        self._gathering: Shared[Figures] | None = None
        self.volumes = VolumeUsage(config, clock)
        self.rooms = Rooms(config, pods, of_drivers, clock)

    async def figures(self) -> Figures:
        """At most `FRESH_S` old."""
        if self._last is not None and self._clock() - self._taken_at < FRESH_S:
            return self._last
        if self._gathering is None:
            self._gathering = Shared(self._gather(), name="node statistics")
            self._gathering.when_done(self._gathered)
        return await self._gathering.result()

    async def node(self) -> NodeFigures:
        """Of the node as a whole, now; without a rate of its CPU, which those who ask for figures take, and without its interfaces."""
        return await asyncio.to_thread(lambda: self._read_node(machine.cpu(), time.time(), ()))

    async def measured(self, max_age_s: float) -> Figures:
        """With volumes that were measured not longer ago than that (see `VolumeUsage.refresh`)."""
        await self.volumes.refresh(self._pods(), max_age_s)
        self._taken_at = float("-inf")
        return await self.figures()

    def _gathered(self) -> None:
        self._gathering = None

    async def _gather(self) -> Figures:
        sources = list(self._pods())
        try:
            self._usage = {each.container_id: each for each in await self._runtime.usage()}
            await self._count_images()
        except RuntimeFailure as error:
            log.warning("the runtime gives no figures", why=str(error))
        await self.rooms.refresh()
        found = await asyncio.to_thread(self._read, sources)
        self._last, self._taken_at = found, self._clock()
        return found

    async def _count_images(self) -> None:
        counted_at, _ = self._images
        if self._clock() - counted_at >= IMAGES_S:
            self._images = (self._clock(), sum(image.size_bytes for image in await self._runtime.images()))

    def _read(self, sources: Sequence[PodSource]) -> Figures:
        now = time.time()
        node = self._read_node(self._rates.rated("node", machine.cpu(), now), now, machine.interfaces())
        pods = tuple(self._read_pod(source) for source in sources)
        self._rates.forget_others()
        return Figures(node, pods)

    def _read_node(self, cpu: Cpu, now: float, interfaces: tuple[Interface, ...]) -> NodeFigures:
        memory, capacity = cgroup.topmost(*machine.memory())
        processes, most = machine.processes()
        return NodeFigures(
            name=self._config.node_name,
            booted_at=machine.booted_at(),
            taken_at=now,
            cpu=cpu,
            memory=memory,
            memory_capacity_bytes=capacity,
            fs=machine.filesystem(self._config.home),
            image_fs=machine.filesystem(self._config.containerd_dir),
            processes=processes,
            most_processes=most,
            interfaces=interfaces,
            image_bytes=self._images[1],
            processors=processors.count(),
        )

    def _read_pod(self, source: PodSource) -> PodFigures:
        now = time.time()
        parent = cgroups.pod_parent(self._config.instance, source.uid)
        used, on_disk = cgroup.used(parent), self.volumes.of(source.uid)
        containers = tuple(self._container(source, each, on_disk) for each in source.containers)
        return PodFigures(
            pod=source.pod,
            started_at=source.started_at,
            taken_at=now,
            cpu=None if used.cpu is None else self._rates.rated(source.uid, used.cpu, now),
            memory=used.memory,
            processes=used.processes,
            interfaces=() if podspec.host_network(source.pod) else _interfaces(parent, source.sandbox),
            containers=containers,
            volumes=on_disk.volumes,
            in_memory=podspec.memory_volumes(source.pod),
            given=on_disk.given,
            rooms=self.rooms.of(source.uid),
        )

    def _container(self, source: PodSource, container: Container, on_disk: OnDisk) -> ContainerFigures:
        usage = self._usage.get(container.id)
        logs = on_disk.logs.get(container.name)
        shown = ContainerFigures(container.name, container.id, container.image, container.started_at, time.time(), logs=logs)
        if usage is None:
            return shown
        memory = Memory(
            usage.memory_usage_bytes or usage.memory_bytes,
            usage.memory_bytes,
            usage.memory_available_bytes,
            usage.rss_bytes,
            usage.page_faults,
            usage.major_page_faults,
        )
        cpu = self._rates.rated(container.id, Cpu(usage.cpu_ns), usage.taken_at)
        rootfs = Disk(usage.disk_bytes, usage.disk_inodes)
        waited = self._throttling(source, container)
        return replace(shown, taken_at=usage.taken_at, cpu=cpu, memory=memory, rootfs=rootfs, throttling=waited)

    def _throttling(self, source: PodSource, container: Container) -> Throttling | None:
        spec = podspec.container_named(source.pod, container.name)
        if spec is None or podspec.amount(spec, "limits", "cpu") is None:
            return None
        return cgroup.throttling(cgroups.pod_parent(self._config.instance, source.uid), container.id)


def _interfaces(parent: str, sandbox: str) -> tuple[Interface, ...]:
    """Of the pod's network namespace, through a process that is in it; none while there is no such process."""
    pid = cgroup.any_process(parent, sandbox) if sandbox else ""
    try:
        return machine.interfaces(pid=pid) if pid else ()
    except OSError:
        return ()
