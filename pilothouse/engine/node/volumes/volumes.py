"""The volumes of a pod as folders on the node: made before its containers, kept current while it runs, removed after it.

What holds secrets lies in memory (one tmpfs for the instance, so that a pod costs no mount), everything else under the state
directory. Nothing is remembered but tokens: what a volume is follows from the pod, so an agent that starts anew finds its way.
"""

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from pilothouse.aio import apart
from pilothouse.aio.clock import Steady
from pilothouse.engine.csi.driver import CsiFailure
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.failure import SET_UP, MountFailed, MountPending
from pilothouse.engine.node.csi.growing import Note
from pilothouse.engine.node.csi.volumes import CsiVolumes
from pilothouse.engine.node.csi.wanted import inline
from pilothouse.engine.node.files.mountpoints import is_mounted, mount_memory, mounts_below, unmount
from pilothouse.engine.node.files.payload import is_written, write_payload
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.pod.sources import Sources, Token
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.engine.node.volumes import nfs
from pilothouse.engine.node.volumes.claimed import KINDS as CLAIMED
from pilothouse.engine.node.volumes.claimed import ClaimedVolumes
from pilothouse.engine.node.volumes.filled import VolumeFiller
from pilothouse.engine.node.volumes.host_paths import host_path
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.engine.node.volumes.mounts import COPIES, SUBPATHS
from pilothouse.engine.node.volumes.projection import Gathered, Gatherer, Room, VolumeMissing
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

log = structlog.get_logger("node.volumes")

T = TypeVar("T")
LOOK_AGAIN_S = 60.0
LOOK_S, MOST_LOOKS = 60.0, 64
FOREIGN = (*CLAIMED, "csi", "nfs", "hostPath")
"""Kinds of volumes whose files may be somebody else's to serve, who may be away."""
KINDS = {
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "projected": "kubernetes.io~projected",
    "downwardAPI": "kubernetes.io~downward-api",
    "emptyDir": "kubernetes.io~empty-dir",
}


class VolumeFailure(Exception):
    """Volumes of a pod could not be made or brought up to date; the message has a sentence for each."""


@dataclass(slots=True)
class Prepared:
    """paths: volume name -> folder or file on the node; without those that could not be made.

    refresh_at: when to look again, never in the past; 0.0: never. failures: what to say of volumes that could not be made or brought
    up to date, one sentence each; a volume that was made before keeps its path and its files. pending: likewise, of volumes that are being
    made: whoever asked is told when that is over. notes: events of the pod.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    refresh_at: float = 0.0
    failures: list[str] = field(default_factory=list)
    is_complete: bool = True
    pending: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def look_again(self, at: float) -> None:
        self.refresh_at = min(filter(None, (self.refresh_at, at)), default=0.0)


class Volumes:
    """views: of the images that are volumes; they are made by whoever pulls the images, and go with the pod's other volumes.

    claimed: mounts the volumes of claims; None where there are none. csi: those of drivers.
    """

    def __init__(
        self,
        config: NodeConfig,
        sources: Sources,
        views: ImageViews,
        clock: Steady | None = None,
        claimed: ClaimedVolumes | None = None,
        csi: CsiVolumes | None = None,
    ) -> None:
        self._claimed = claimed
        self._csi = csi
        self.views = views
        self.filler = VolumeFiller(views)
        self._looks = apart.Apart(MOST_LOOKS)
        self._clock = Steady() if clock is None else clock
        self._config = config
        self._sources = sources
        self._tokens: dict[str, dict[tuple[str, str], Token]] = {}
        self.allocatable: Object = {}

    async def open(self) -> None:
        """Mounts the memory that secrets live in, and makes the folders that pods may ask for.

        A host that does not allow the memory lets pods wait: nothing secret goes to the disk.
        """
        for folder in self._config.log_folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        # Volumes are writable for everybody in their containers; on the node nobody but root gets as far as to them.
        self._config.pods_dir.mkdir(parents=True, exist_ok=True)
        self._config.pods_dir.chmod(0o750)
        try:
            await asyncio.to_thread(_mount_secrets, self._config)
        except OSError as error:
            log.warning("no memory for secrets", folder=str(self._config.memory_dir), why=error.strerror)

    async def prepare(self, pod: Object, pod_ips: tuple[str, ...]) -> Prepared:
        """Makes or refreshes every volume of the pod, each by itself: one that fails leaves the others as they should be."""
        result = Prepared()
        gatherer = self._gatherer(pod, pod_ips)
        for volume in podspec.spec(pod).get("volumes") or ():
            name = volume["name"]
            if volume.get("image") is not None:
                continue
            try:
                result.paths[name], refresh_at = await self._prepare(pod, volume, gatherer)
                result.look_again(refresh_at)
            except MountPending as pending:
                result.pending.append(str(pending))
                result.is_complete = False
            except (VolumeMissing, MountFailed, CsiFailure, OSError, ValueError, ApiError) as error:
                why = error.message if isinstance(error, ApiError) else str(error)
                step = error.step if isinstance(error, MountFailed) else SET_UP
                result.failures.append(f'{step} failed for volume "{name}" : {why}')
                self._keep(pod, volume, result)
        if self._csi is not None and self._csi.has(meta.uid(pod)):
            result.notes = self._csi.take_notes(meta.uid(pod))
            result.look_again(self._clock() + LOOK_AGAIN_S)
        if result.refresh_at:
            # A token that cannot be renewed is past its time, and must not make anybody look again at once.
            result.refresh_at = max(result.refresh_at, self._clock() + LOOK_AGAIN_S)
        return result

    def _keep(self, pod: Object, volume: Object, result: Prepared) -> None:
        folder = self._files_folder(pod, volume)
        result.look_again(self._clock() + LOOK_AGAIN_S)
        if folder is not None and is_written(folder):
            result.paths[volume["name"]] = folder
        else:
            result.is_complete = False

    def _gatherer(self, pod: Object, pod_ips: tuple[str, ...]) -> Gatherer:
        tokens = self._tokens.setdefault(pod["metadata"]["uid"], {})
        addresses, owner = self._config.addresses, _single_user(pod)
        return Gatherer(self._sources, pod, self.allocatable, addresses, pod_ips, tokens, owner, self._clock, Room())

    async def _prepare(self, pod: Object, volume: Object, gatherer: Gatherer) -> tuple[Path, float]:
        gathered = await gatherer.gather(volume)
        if gathered is not None:
            return await self._files(pod, volume, gathered), gathered.refresh_at
        if (source := volume.get("emptyDir")) is not None:
            return await self._empty(pod, volume["name"], source), 0.0
        if source := volume.get("hostPath"):
            path = str(self._config.on_node(source["path"]))
            return await apart.begin(partial(host_path, path, source.get("type") or ""), f"path {path}"), 0.0
        if (source := volume.get("nfs")) is not None:
            folder: Path = self._config.pod_dir(pod["metadata"]["uid"]) / "volumes" / nfs.KIND / volume["name"]
            await nfs.mount(source, folder)
            return folder, 0.0
        if self._claimed is not None and any(volume.get(each) is not None for each in CLAIMED):
            return await self._claimed.mount(pod, volume), 0.0
        if self._csi is not None and volume.get("csi") is not None:
            return await self._csi.mount(pod, inline(pod, volume)), 0.0
        kind = next((key for key in volume if key != "name"), "none")
        raise VolumeMissing(f"volumes of type {kind} are not supported by this node")

    def _files_folder(self, pod: Object, volume: Object) -> Path | None:
        """Where the files of a volume that is made of files lie."""
        kind = next((KINDS[key] for key in podspec.READ_ONLY_VOLUMES if volume.get(key) is not None), "")
        return self._config.memory_dir / pod["metadata"]["uid"] / kind / volume["name"] if kind else None

    async def _files(self, pod: Object, volume: Object, gathered: Gathered) -> Path:
        folder = self._files_folder(pod, volume)
        assert folder is not None
        await asyncio.to_thread(_mount_secrets, self._config)
        await asyncio.to_thread(write_payload, folder, gathered.files, podspec.security(pod).get("fsGroup"))
        return folder

    async def _empty(self, pod: Object, name: str, source: Object) -> Path:
        folder: Path = self._config.pod_dir(pod["metadata"]["uid"]) / "volumes" / KINDS["emptyDir"] / name
        group = podspec.security(pod).get("fsGroup")
        if source.get("medium") == "Memory":
            limit = memory_volume_bytes(pod, source, self.allocatable)
            await asyncio.to_thread(empty_in_memory, folder, group, limit)
        else:
            await asyncio.to_thread(empty_on_disk, folder, group)
        return folder

    async def looked_into(self, pod: Object, work: Callable[[], T]) -> T:
        """What work returns, or raises, that looks into volumes of the pod. Raises ConfigMissing when one of them does not answer."""
        volumes = podspec.spec(pod).get("volumes") or ()
        if not any(each.get(kind) is not None for each in volumes for kind in FOREIGN):
            return await asyncio.to_thread(work)
        try:
            return await self._looks.run(meta.uid(pod), work, LOOK_S)
        except apart.Unanswered as error:
            raise ConfigMissing(f"volumes cannot be mounted into the container: {error.strerror}; the server of one may be away") from error

    async def remove(self, uid: str) -> list[str]:
        """Unmounts and removes all that the pod had on the node; logs stay until the pod's object is gone.

        Returns a sentence for each volume of a driver that could not be let go of: everything stays then, and it is to be tried again. Else
        what cannot be removed is logged and left: the next start of the agent finds it among what is `present`.
        """
        self._tokens.pop(uid, None)
        # What containers had of parts of volumes would keep a file system in use that its driver is to let go of.
        await asyncio.to_thread(_unmount_parts, self._config.pod_dir(uid))
        if self._csi is not None and (left := await self._csi.drop(uid)):
            log.warning("volumes of drivers not unmounted", uid=uid, why="; ".join(left))
            return left
        if not await self._let_go(uid):
            return []
        for folder in (self._config.pod_dir(uid), self._config.memory_dir / uid):
            for what in await asyncio.to_thread(unmount_and_remove, folder):
                log.warning("not removed", uid=uid, what=what)
        return []

    async def _let_go(self, uid: str) -> bool:
        """Of images and devices, each whatever becomes of the other. False, and logged, when the pod still has one of them."""
        is_free = True
        try:
            await self.views.drop(uid)
        except (RuntimeFailure, OSError) as error:
            log.warning("images not unmounted", uid=uid, why=str(error))
            is_free = False
        try:
            if self._claimed is not None:
                await self._claimed.release(uid)
        except OSError as error:
            log.warning("devices not detached", uid=uid, why=str(error))
            is_free = False
        return is_free

    def present(self) -> set[str]:
        """Uids of pods that have something on the node."""
        found: set[str] = set()
        for folder in (self._config.pods_dir, self._config.memory_dir):
            if folder.is_dir():
                found.update(os.listdir(folder))
        return found


def memory_volume_bytes(pod: Object, source: Object, allocatable: Object) -> int:
    """How large a volume in memory may grow: to its own limit, what the pod may use, and what the node has for pods. 0: nothing says.

    Source: kubernetes pkg/volume/emptydir (calculateEmptyDirMemorySize).
    """
    bounds = [Quantity.of(allocatable.get("memory") or "0").value, Quantity.of(source.get("sizeLimit") or "0").value]
    every = [*podspec.containers(pod), *podspec.init_containers(pod)]
    is_bounded = podspec.whole_limits(pod).get("memory") or all(podspec.amount(each, "limits", "memory") for each in every)
    limit = podspec.limit(pod, "memory") if is_bounded else None
    bounds.append(0 if limit is None else limit.value)
    return min((each for each in bounds if each > 0), default=0)


def _single_user(pod: Object) -> int:
    """The user that all containers run as, when the pod says so: its token files belong to that user alone."""
    of_pod = podspec.security(pod).get("runAsUser")
    users = {(each.get("securityContext") or {}).get("runAsUser", of_pod) for each in podspec.all_containers(pod)}
    only = users.pop() if len(users) == 1 else None
    return -1 if only is None else int(only)


def _mount_secrets(config: NodeConfig) -> None:
    """Raises OSError with a sentence for the pod's event."""
    folder = config.memory_dir
    if is_mounted(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        mount_memory(folder, "mode=711", config.instance)
    except OSError as error:
        raise OSError(error.errno, f"a tmpfs for files that must not touch the disk cannot be mounted: {error.strerror}") from error


def empty_on_disk(folder: Path, group: int | None) -> None:
    """Appears with its mode and group or not at all, so that an interrupted start leaves nothing half-made. Raises OSError."""
    if folder.exists():
        return
    fresh = folder.with_name(f"..new-{folder.name}")
    fresh.mkdir(parents=True, exist_ok=True)
    if group is not None:
        os.chown(fresh, -1, group)
    fresh.chmod(0o777 | (stat.S_ISGID if group is not None else 0))
    fresh.rename(folder)


def empty_in_memory(folder: Path, group: int | None, limit_bytes: int) -> None:
    """A tmpfs of its own, again after a restart of the machine. limit_bytes 0: the kernel's default. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_mounted(folder):
        return
    options = "mode=777" if group is None else f"mode=2777,gid={group}"
    mount_memory(folder, options + (f",size={limit_bytes}" if limit_bytes else ""))


def _unmount_parts(pod: Path) -> None:
    for folder in (pod / SUBPATHS, pod / COPIES):
        for mounted in mounts_below(folder):
            try:
                unmount(mounted)
            except OSError as error:
                log.warning("part of a volume not unmounted", what=mounted, why=error.strerror)


def unmount_and_remove(folder: Path) -> list[str]:
    """Returns what is left of the folder and why: what is still mounted is never entered."""
    left = []
    for mounted in mounts_below(folder):
        try:
            unmount(mounted)
        except OSError as error:
            left.append(f"{mounted}: {error.strerror}")
    return left + remove_tree(folder)
