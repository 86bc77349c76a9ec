"""Asks drivers to stage and publish volumes, and to let go of them: one step at a time for each volume, each step safe to repeat.

What is done follows from the records on the disk and the kernel's mounts, so an agent that was killed in the middle goes on from there.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

from pilothouse.aio import apart
from pilothouse.aio.identity import this_boot
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.driver import CsiFailure
from pilothouse.engine.csi.methods import A, Method, Q
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi import records, wanted
from pilothouse.engine.node.csi.attaching import Attaching
from pilothouse.engine.node.csi.drivers import STAGES, Drivers, Registered
from pilothouse.engine.node.csi.failure import STAGE, MountFailed
from pilothouse.engine.node.csi.records import Key, Place, Record
from pilothouse.engine.node.csi.secrets import secrets
from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.engine.node.csi.tokens import Tokens
from pilothouse.engine.node.csi.wanted import Wanted
from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.files.ownership import give_to_group
from pilothouse.engine.node.pod import podspec
from pilothouse.model import meta
from pilothouse.model.csi import needs_attachment
from pilothouse.model.json import Object


class Mounter:
    def __init__(self, config: NodeConfig, drivers: Drivers, sources: CsiSources, attaching: Attaching, clock: Callable[[], float]) -> None:
        self._config = config
        self._drivers = drivers
        self._sources = sources
        self._attaching = attaching
        self._tokens = Tokens(sources, clock)
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def forget(self, uid: str) -> None:
        """The pod of that uid has ended."""
        self._tokens.forget(uid)

    async def mount(self, pod: Object, asked: Wanted) -> None:
        """The volume is in the pod's folder when this returns. Raises MountFailed, CsiFailure, ApiError, OSError."""
        driver = self._drivers.get(asked.driver)
        about = await self._sources.csi_driver(asked.driver)
        wanted.check_lifecycle(asked, about)
        attaches = not asked.is_inline and needs_attachment(about)
        place = records.published_at(self._config, meta.uid(pod), asked.name)
        record = Record(asked.driver, asked.handle, asked.name, asked.pod_volume, asked.is_inline, attaches, block=asked.is_block)
        # Before anything else: from now on the volume is not let go under this pod.
        known = await asyncio.to_thread(records.read, place)
        if known is None:
            # What is for one pod is asked for once it is known to be this one's turn: two that come at once would each find the other.
            known = replace(record, asked=not attaches and not asked.is_for_one_pod)
            await _write(place, known)
        context = await self._attaching.attached(record.key) if attaches else {}
        async with self._turn(record.key):
            if asked.is_for_one_pod and await asyncio.to_thread(self._has_another, record.key, place):
                raise MountFailed("volume uses the ReadWriteOncePod access mode and is already in use by another pod")
            record = replace(record, asked=True)
            if not known.asked:
                await _write(place, record)
            if driver.can(STAGES) and not asked.is_inline:
                await self._stage(pod, asked, driver, context, attaches)
            await self._publish(pod, asked, driver, context, about)
            if wanted.gives_to_group(pod, asked, driver, about):
                await apart.begin(partial(_give, pod, place), f"group of {place.target}")
            await _write(place, _done(record))

    async def _stage(self, pod: Object, asked: Wanted, driver: Registered, context: Mapping[str, str], attaches: bool) -> None:
        place = records.staged_at(self._config, asked.driver, asked.handle)
        known = await asyncio.to_thread(records.read, place)
        if known is not None and known.is_current:
            return
        record = Record(asked.driver, asked.handle, asked.name, attached=attaches, asked=True)
        await _write(place, record)
        await apart.begin(partial(place.target.mkdir, mode=0o750, exist_ok=True), f"folder {place.target}")
        request = csi.NodeStageVolumeRequest(
            volume_id=asked.handle,
            publish_context=context,
            staging_target_path=self._drivers.path_for(driver, place.target),
            volume_capability=wanted.capability(asked, driver, wanted.delegated_group(pod, driver)),
            secrets=await secrets(self._sources, asked, pod, "nodeStageSecretRef", STAGE),
            volume_context=asked.source.get("volumeAttributes") or {},
        )
        try:
            await driver.driver.call(methods.NODE_STAGE_VOLUME, request)
        except CsiFailure as error:
            raise MountFailed(str(error), STAGE) from error
        await _write(place, _done(record))

    async def _publish(self, pod: Object, asked: Wanted, driver: Registered, context: Mapping[str, str], about: Object | None) -> None:
        place = records.published_at(self._config, meta.uid(pod), asked.name)
        staged = records.staged_at(self._config, asked.driver, asked.handle)
        attributes = dict(asked.source.get("volumeAttributes") or {}) | wanted.pod_info(pod, asked, about)
        own = await secrets(self._sources, asked, pod, "nodePublishSecretRef")
        tokens = await self._tokens.of(pod, about)
        in_secrets = bool(((about or {}).get("spec") or {}).get("serviceAccountTokenInSecrets"))
        request = csi.NodePublishVolumeRequest(
            volume_id=asked.handle,
            publish_context=context,
            staging_target_path=self._drivers.path_for(driver, staged.target) if driver.can(STAGES) and not asked.is_inline else "",
            target_path=self._drivers.path_for(driver, place.target),
            volume_capability=wanted.capability(asked, driver, wanted.delegated_group(pod, driver)),
            readonly=asked.read_only,
            secrets=own | tokens if in_secrets else own,
            volume_context=attributes if in_secrets else attributes | tokens,
        )
        await driver.driver.call(methods.NODE_PUBLISH_VOLUME, request)

    async def publish_again(self, pod: Object, asked: Wanted) -> None:
        """For drivers that want to be asked now and then. Raises as `mount` does."""
        driver = self._drivers.get(asked.driver)
        about = await self._sources.csi_driver(asked.driver)
        async with self._turn((asked.driver, asked.handle)):
            context = {}
            if not asked.is_inline and needs_attachment(about):
                context = dict(await self._attaching.attached((asked.driver, asked.handle)))
            await self._publish(pod, asked, driver, context, about)

    async def unpublish(self, place: Place) -> Record | None:
        """The volume is out of the pod when this returns. Raises CsiFailure, MountFailed, OSError, ValueError."""
        record = await asyncio.to_thread(records.read, place)
        if record is None:
            await asyncio.to_thread(records.remove, place)
            return None
        async with self._turn(record.key):
            if not await self._is_gone(place, record):
                driver = self._drivers.get(record.driver)
                target = self._drivers.path_for(driver, place.target)
                request = csi.NodeUnpublishVolumeRequest(volume_id=record.handle, target_path=target)
                await _let_go(driver, methods.NODE_UNPUBLISH_VOLUME, request, place)
            await asyncio.to_thread(records.remove, place)
        return record

    async def _is_gone(self, place: Place, record: Record) -> bool:
        """Nothing of it is left to let go of: nobody was asked for it, or the machine was restarted since and its driver is not there."""
        if not record.asked:
            return True
        if record.boot == this_boot() or self._drivers.find(record.driver) is not None:
            return False
        left: list[str] = await asyncio.to_thread(mounts_below, place.target)
        return not left

    async def unstage(self, key: Key) -> None:
        """Once no pod of the node has the volume or is about to. Raises as `unpublish` does."""
        place = records.staged_at(self._config, *key)
        async with self._turn(key):
            if await asyncio.to_thread(self._is_used, key):
                return
            record = await asyncio.to_thread(records.read, place)
            if record is not None and not await self._is_gone(place, record):
                driver = self._drivers.get(record.driver)
                target = self._drivers.path_for(driver, place.target)
                # Who is killed after the driver's answer must not leave a note that it is staged: nothing else would tell.
                await _write(place, replace(record, done=False))
                request = csi.NodeUnstageVolumeRequest(volume_id=record.handle, staging_target_path=target)
                await _let_go(driver, methods.NODE_UNSTAGE_VOLUME, request, place)
            if record is not None:
                await asyncio.to_thread(records.remove, place)
            self._attaching.let_go(key)

    def _is_used(self, key: Key) -> bool:
        return any(record.key == key for _, record in records.published(self._config))

    def _has_another(self, key: Key, own: Place) -> bool:
        """Whether another pod has it, or may: a driver that was asked and gave no answer may have mounted it all the same."""
        return any(record.key == key and record.asked and place != own for place, record in records.published(self._config))

    def _turn(self, key: Key) -> asyncio.Lock:
        return self._turns.setdefault(key, asyncio.Lock())


async def _write(place: Place, record: Record) -> None:
    """Over when this ends, also for who is cancelled: whoever lets go next reads what there is. Raises OSError."""
    work = asyncio.ensure_future(asyncio.to_thread(records.write, place, record))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _give(pod: Object, place: Place) -> None:
    """Blocking for as long as the volume's files take."""
    security = podspec.security(pod)
    unless = security.get("fsGroupChangePolicy") == "OnRootMismatch"
    with opened(os.open(place.target, FOLDER)) as root:
        give_to_group(root, security["fsGroup"], unless_root_is=unless)


async def _let_go(driver: Registered, method: Method[Q, A], request: Q, place: Place) -> None:
    """Raises CsiFailure, but not for a volume that the driver does not know (any more) and of which nothing is mounted."""
    try:
        await driver.driver.call(method, request)
    except CsiFailure as error:
        left: list[str] = await asyncio.to_thread(mounts_below, place.target)
        if error.code not in ("NOT_FOUND", "UNIMPLEMENTED") or left:
            raise


def _done(record: Record) -> Record:
    return replace(record, done=True)
