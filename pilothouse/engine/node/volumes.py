"""The volumes of a pod as folders on the node: made before its containers, kept current while it runs, removed after it.

What holds secrets lies in memory (one tmpfs for the instance, so that a pod costs no mount), everything else under the state
directory. Nothing is remembered but tokens: what a volume is follows from the pod, so an agent that starts anew finds its way.
"""

import asyncio
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.aio.process import ProcessFailed, run
from pilothouse.engine.node import podspec
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.payload import write_payload
from pilothouse.engine.node.projection import Gathered, Gatherer, VolumeMissing
from pilothouse.engine.node.sources import Sources, Token
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

KINDS = {
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "projected": "kubernetes.io~projected",
    "downwardAPI": "kubernetes.io~downward-api",
    "emptyDir": "kubernetes.io~empty-dir",
}
TYPE_CHECKS = {
    "Directory": ("a directory", stat.S_ISDIR),
    "File": ("a file", stat.S_ISREG),
    "Socket": ("a socket file", stat.S_ISSOCK),
    "CharDevice": ("a character device", stat.S_ISCHR),
    "BlockDevice": ("a block device", stat.S_ISBLK),
}


class VolumeFailure(Exception):
    """A volume cannot be made; the pod's containers wait until it can (event FailedMount)."""

    def __init__(self, volume: str, why: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {why}')


@dataclass(slots=True)
class Prepared:
    """paths: volume name -> folder or file on the node. refresh_at: when to look again for a token's sake; 0.0: never."""

    paths: dict[str, Path] = field(default_factory=dict)
    refresh_at: float = 0.0


class Volumes:
    def __init__(self, config: NodeConfig, sources: Sources) -> None:
        self._config = config
        self._sources = sources
        self._tokens: dict[str, dict[tuple[str, str], Token]] = {}
        self.allocatable: Object = {}

    async def open(self) -> None:
        """Mounts the memory that secrets live in; a host that does not allow it gets them on disk, readable by root alone."""
        folder = self._config.memory_dir
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        if str(folder) not in mounts_below(folder):
            try:
                (await run(["mount", "-t", "tmpfs", "-o", "mode=711", self._config.instance, folder], timeout_s=10)).check()
            except ProcessFailed:
                return

    async def prepare(self, pod: Object, pod_ips: tuple[str, ...]) -> Prepared:
        """Makes or refreshes every volume of the pod. Raises VolumeFailure."""
        result = Prepared()
        gatherer = self._gatherer(pod, pod_ips)
        for volume in podspec.spec(pod).get("volumes") or ():
            try:
                path, refresh_at = await self._prepare(pod, volume, gatherer)
            except VolumeMissing as error:
                raise VolumeFailure(volume["name"], str(error)) from error
            except (OSError, ProcessFailed) as error:
                raise VolumeFailure(volume["name"], str(error)) from error
            result.paths[volume["name"]] = path
            result.refresh_at = min(filter(None, (result.refresh_at, refresh_at)), default=0.0)
        return result

    def _gatherer(self, pod: Object, pod_ips: tuple[str, ...]) -> Gatherer:
        tokens = self._tokens.setdefault(pod["metadata"]["uid"], {})
        return Gatherer(self._sources, pod, self.allocatable, self._config.addresses, pod_ips, tokens, _single_user(pod))

    async def _prepare(self, pod: Object, volume: Object, gatherer: Gatherer) -> tuple[Path, float]:
        gathered = await gatherer.gather(volume)
        if gathered is not None:
            return await self._files(pod, volume, gathered), gathered.refresh_at
        if (source := volume.get("emptyDir")) is not None:
            return await self._empty(pod, volume["name"], source), 0.0
        if source := volume.get("hostPath"):
            found: Path = await asyncio.to_thread(host_path, source["path"], source.get("type") or "")
            return found, 0.0
        kind = next((key for key in volume if key != "name"), "none")
        raise VolumeMissing(f"volumes of type {kind} are not supported by this node")

    async def _files(self, pod: Object, volume: Object, gathered: Gathered) -> Path:
        kind = next(key for key in KINDS if volume.get(key) is not None)
        folder: Path = self._config.memory_dir / pod["metadata"]["uid"] / KINDS[kind] / volume["name"]
        await asyncio.to_thread(write_payload, folder, gathered.files, podspec.security(pod).get("fsGroup"))
        return folder

    async def _empty(self, pod: Object, name: str, source: Object) -> Path:
        folder = self._config.pod_dir(pod["metadata"]["uid"]) / "volumes" / KINDS["emptyDir"] / name
        group = podspec.security(pod).get("fsGroup")
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        if source.get("medium") == "Memory":
            limit = Quantity.of(source.get("sizeLimit")).value
            options = "mode=777" + (f",size={limit}" if limit else "")
            (await run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], timeout_s=10)).check()
        if group is not None:
            os.chown(folder, -1, group)
        folder.chmod(0o777 | (stat.S_ISGID if group is not None else 0))
        return folder

    async def remove(self, uid: str) -> None:
        """Unmounts and removes all that the pod had on the node; logs stay until the pod's object is gone."""
        self._tokens.pop(uid, None)
        folder = self._config.pod_dir(uid)
        for mounted in await asyncio.to_thread(mounts_below, folder):
            await run(["umount", "--lazy", mounted], timeout_s=10)
        await asyncio.to_thread(_remove_tree, folder)
        await asyncio.to_thread(_remove_tree, self._config.memory_dir / uid)

    def present(self) -> set[str]:
        """Uids of pods that have something on the node."""
        found: set[str] = set()
        for folder in (self._config.pods_dir, self._config.memory_dir):
            if folder.is_dir():
                found.update(os.listdir(folder))
        return found


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _single_user(pod: Object) -> int:
    """The user that all containers run as, when the pod says so: its token files belong to that user alone."""
    of_pod = podspec.security(pod).get("runAsUser")
    users = {(each.get("securityContext") or {}).get("runAsUser", of_pod) for each in podspec.all_containers(pod)}
    only = users.pop() if len(users) == 1 else None
    return -1 if only is None else int(only)


def mounts_below(folder: Path) -> list[str]:
    """Mount points at or below a folder, innermost first."""
    prefix = str(folder)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == prefix or point.startswith(prefix + "/"):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def host_path(path: str, kind: str) -> Path:
    """A path of the node itself, checked or made as its type says. Raises VolumeMissing."""
    target = Path(path)
    if kind == "DirectoryOrCreate":
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not target.exists():
            target.touch(mode=0o644)
        kind = "File"
    if not kind:
        # A missing path becomes a folder, as container engines have always done it.
        if not target.exists():
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
        return target
    wanted, matches = TYPE_CHECKS[kind]
    if not target.exists() or not matches(target.stat().st_mode):
        raise VolumeMissing(f"hostPath type check failed: {path} is not {wanted}")
    return target
