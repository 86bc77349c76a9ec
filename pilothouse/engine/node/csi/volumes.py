"""The volumes of drivers in the pods of this node: mounted in the background, looked after while they are there, let go of with their pods.

A driver may take minutes, or never answer. So each volume of each pod has an operation of its own; a pod's worker waits for it for a moment
only, and is told when it is over. Only the pods that want the volume wait.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.csi.driver import CsiFailure
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi import growing, records, stats
from pilothouse.engine.node.csi.attaching import Attaching
from pilothouse.engine.node.csi.drivers import STATS, Drivers
from pilothouse.engine.node.csi.failure import SET_UP, MountFailed, MountPending
from pilothouse.engine.node.csi.growing import Note
from pilothouse.engine.node.csi.mounter import Mounter
from pilothouse.engine.node.csi.records import Key, Place, Record
from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.engine.node.csi.stats import VolumeRoom
from pilothouse.engine.node.csi.wanted import Wanted
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

log = structlog.get_logger("node.csi.volumes")

FAILED = "FailedMount"
WAIT_S = 2.0
UPKEEP_S = 60.0
"""Between two looks at a volume that is mounted: whether it has grown, and for drivers that want to be asked again."""
_FAILURES = (CsiFailure, MountFailed, ApiError, OSError, ValueError)


@dataclass(slots=True)
class _Operation:
    task: "asyncio.Task[None]"
    is_waited_for: bool = False


@dataclass(slots=True)
class _Pod:
    """Of one pod. operations: by a volume's name, as in `Record`. looked_at: when upkeep began, by its name in the pod. notes: events."""

    operations: dict[str, _Operation] = field(default_factory=dict)
    looked_at: dict[str, float] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


class CsiVolumes:
    """over(uid): an operation of the pod has ended that nobody waits for any more. clock: seconds that never go back."""

    def __init__(
        self,
        config: NodeConfig,
        drivers: Drivers,
        sources: CsiSources,
        attaching: Attaching,
        over: Callable[[str], None],
        clock: Callable[[], float],
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self._config = config
        self._drivers = drivers
        self._sources = sources
        self._attaching = attaching
        self._over = over
        self._clock = clock
        self._wait_s = wait_s
        self._mounter = Mounter(config, drivers, sources, attaching, clock)
        self._pods: dict[str, _Pod] = {}
        self._tasks = TaskSet()

    async def open(self) -> None:
        """What an earlier agent has left is known from here on."""
        self._attaching.take(await asyncio.to_thread(_attached, self._config))

    async def close(self) -> None:
        await self._tasks.close()

    async def published(self, uid: str, pod_volume: str) -> Path | None:
        """Where a volume of the pod is, by its name in the pod; None when it is not mounted."""
        return await asyncio.to_thread(_published, self._config, uid, pod_volume)

    def is_due(self, uid: str, pod_volume: str) -> bool:
        """Whether a volume that is mounted is to be looked after: then it is to be mounted again, which only does that."""
        return self._clock() - self._pod(uid).looked_at.get(pod_volume, float("-inf")) >= UPKEEP_S

    def take_notes(self, uid: str) -> list[Note]:
        pod = self._pods.get(uid)
        if pod is None:
            return []
        notes, pod.notes = pod.notes, []
        return notes

    async def mount(self, pod: Object, asked: Wanted) -> Path:
        """Where the volume is. Raises MountPending while the driver is at work, MountFailed, CsiFailure, ApiError, OSError, ValueError."""
        uid, place = meta.uid(pod), records.published_at(self._config, meta.uid(pod), asked.name)
        if not await asyncio.to_thread(records.is_there, place):
            await self._result(uid, asked, self._mount(pod, asked))
        elif self.is_due(uid, asked.pod_volume):
            self._pod(uid).looked_at[asked.pod_volume] = self._clock()
            try:
                await self._result(uid, asked, self._look_after(pod, asked))
            except MountPending:
                return place.target
            except _FAILURES as error:
                # The pod has its volume all the same.
                self._pod(uid).notes.append(Note("Warning", FAILED, f'{SET_UP} failed for volume "{asked.name}" : {said(error)}'))
        return place.target

    async def _mount(self, pod: Object, asked: Wanted) -> None:
        await self._mounter.mount(pod, asked)
        self._pod(meta.uid(pod)).looked_at[asked.pod_volume] = self._clock()
        await self._grow(pod, asked)

    async def _look_after(self, pod: Object, asked: Wanted) -> None:
        about = await self._sources.csi_driver(asked.driver)
        if ((about or {}).get("spec") or {}).get("requiresRepublish"):
            await self._mounter.publish_again(pod, asked)
        await self._grow(pod, asked)

    async def _grow(self, pod: Object, asked: Wanted) -> None:
        if growing.is_due(asked) and (note := await growing.grow(self._config, self._drivers, self._sources, pod, asked)) is not None:
            self._pod(meta.uid(pod)).notes.append(note)

    def has(self, uid: str) -> bool:
        """Whether the pod has volumes that are to be looked after."""
        pod = self._pods.get(uid)
        return pod is not None and bool(pod.looked_at)

    def _pod(self, uid: str) -> _Pod:
        return self._pods.setdefault(uid, _Pod())

    async def _result(self, uid: str, asked: Wanted, work: Coroutine[Any, Any, None]) -> None:
        """Of the operation under way on the volume, or else of this one, which begins; for as long as a worker waits."""
        operations = self._pod(uid).operations
        operation = operations.get(asked.name)
        if operation is None:
            begun = operation = operations[asked.name] = _Operation(self._tasks.start(work, name=f"volume {asked.name} of {uid}"))
            operation.task.add_done_callback(lambda _: self._ended(uid, begun))
        else:
            work.close()
        operation.is_waited_for = True
        try:
            await asyncio.wait([operation.task], timeout=self._wait_s)
        finally:
            operation.is_waited_for = False
        if not operation.task.done():
            raise MountPending(f'volume "{asked.name}" is being mounted by driver {asked.driver}')
        operations.pop(asked.name, None)
        if operation.task.cancelled():
            raise MountPending(f'volume "{asked.name}" is being let go of')
        operation.task.result()

    def _ended(self, uid: str, operation: _Operation) -> None:
        if not operation.is_waited_for and not operation.task.cancelled():
            # Kept until the worker comes for it; its failure is that worker's to say.
            operation.task.exception()
            self._over(uid)

    async def rooms(self, uid: str) -> dict[str, VolumeRoom]:
        """Of the pod's volumes, by their names in the pod, as far as their drivers say."""
        found = await asyncio.to_thread(_there, self._config, uid)
        rooms = await asyncio.gather(*(self._room(place, record) for place, record in found))
        return {record.pod_volume: room for (_, record), room in zip(found, rooms, strict=True) if room is not None}

    async def _room(self, place: Place, record: Record) -> VolumeRoom | None:
        driver = self._drivers.find(record.driver)
        if driver is None or not driver.can(STATS):
            return None
        staged = records.staged_at(self._config, record.driver, record.handle)
        try:
            return await stats.room(self._drivers, driver, place, record, staged)
        except CsiFailure as error:
            log.debug("no figures of a volume", volume=record.name, why=str(error))
            return None

    async def drop(self, uid: str) -> list[str]:
        """Lets go of all that the pod has of drivers. Returns a sentence for each volume that is left; doing it again is no failure."""
        pod = self._pods.pop(uid, None)
        under_way = [each.task for each in pod.operations.values()] if pod is not None else []
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
        self._mounter.forget(uid)
        places = await asyncio.to_thread(records.of_pod, self._config, uid)
        left = await asyncio.gather(*(self._drop(place) for place in places))
        return [why for why in left if why]

    async def _drop(self, place: Place) -> str:
        try:
            record = await self._mounter.unpublish(place)
        except _FAILURES as error:
            return f'UnmountVolume.TearDown failed for volume "{place.folder.name}" : {said(error)}'
        if record is not None:
            self._tasks.start(self._unstage(record.key), name=f"unstaging of {record.name}")
        return ""

    async def _unstage(self, key: Key) -> None:
        try:
            await self._mounter.unstage(key)
        except _FAILURES as error:
            log.warning("volume not unstaged", driver=key[0], volume=key[1], why=said(error))

    async def tidy(self) -> None:
        """Lets go of what is staged or counted as in use and no pod has: whoever should have done so was killed, or its driver failed."""
        found = await asyncio.to_thread(_unused, self._config)
        await asyncio.gather(*(self._unstage(key) for key in found | self._attaching.keys()))


def said(error: Exception) -> str:
    return error.message if isinstance(error, ApiError) else str(error)


def _published(config: NodeConfig, uid: str, pod_volume: str) -> Path | None:
    for place in records.of_pod(config, uid):
        record = records.read(place)
        if record is not None and record.pod_volume == pod_volume and records.is_there(place):
            return place.target
    return None


def _there(config: NodeConfig, uid: str) -> list[tuple[Place, Record]]:
    """Those of its volumes that are mounted and have files."""
    found = [(place, records.read(place)) for place in records.of_pod(config, uid)]
    return [(place, record) for place, record in found if record is not None and not record.block and records.is_there(place)]


def _attached(config: NodeConfig) -> set[Key]:
    every = [*records.published(config), *records.staged(config)]
    return {record.key for _, record in every if record.attached}


def _unused(config: NodeConfig) -> set[Key]:
    used = {record.key for _, record in records.published(config)}
    return {record.key for _, record in records.staged(config)} - used
