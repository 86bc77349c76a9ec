"""Keeps the static pods of a node: a worker for each manifest, and its mirror in the API.

A manifest is let in by the API server once, as the creation of its mirror: validated, defaulted and admitted like any pod. What came of
that is kept on the node, so that from then on the pod runs whether the API server answers or not. Another content is another pod,
which begins when the one before it has ended. Source: kubelet/pod (mirror_client), kubelet/config.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

import structlog

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.static.folder import Folder
from pilothouse.engine.node.static.kept import Kept
from pilothouse.engine.node.static.manifest import Manifest, admitted_as, mirror_of, mirrored_uid
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS

log = structlog.get_logger("node.static")

STOPPED = ("Terminated", "NodeShutdown")
LOOK_S, FLOOR_S = 1.0, 0.05
THOROUGH_EVERY = 10
"""Looks, after which everything is compared although nothing seems to have changed."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0


class Worker(Protocol):
    @property
    def pod(self) -> Object: ...
    def update(self, pod: Object) -> None: ...
    def mirrored(self, mirror: Object | None) -> None: ...


class Workers(Protocol):
    """Those of the agent."""

    def worker(self, uid: str) -> Worker | None: ...
    def static(self) -> list[Worker]: ...
    def begin(self, uid: str, pod: Object) -> None: ...


class StaticPods:
    """`open` starts what is known to be let in; `run` keeps everything as the folder has it; callbacks use `mirror_changed` and `wake`."""

    def __init__(self, client: Client, config: NodeConfig, recorder: Recorder, workers: Workers) -> None:
        self._client = client
        self._config = config
        self._recorder = recorder
        self._workers = workers
        self._folder = Folder(config.manifests_dir, config.node_name)
        self._kept = Kept(config.static_dir)
        self._admitted: dict[str, Object] = {}
        self._mirrors: dict[str, Object] = {}
        self._retries: dict[str, tuple[int, float]] = {}
        self._refused: dict[str, str] = {}
        self._said: dict[str, str] | None = None
        self._wake = asyncio.Event()
        self._check_at, self._checks = 0.0, 0

    async def open(self) -> None:
        """Needs the mirrors that there are, and no answer of the API."""
        await asyncio.to_thread(self._config.manifests_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(self._folder.look)
        self._admitted = await asyncio.to_thread(self._kept.load, list(self._wanted()))
        for manifest in self._wanted().values():
            self._begin(manifest)

    async def run(self) -> None:
        while True:
            self._wake.clear()
            await self._round()
            await asyncio.sleep(FLOOR_S)
            await self._news()

    async def _news(self) -> None:
        """Until there is something to do: what a callback told, a file, a try that failed. Callbacks without end hide no file."""
        while not await self._is_woken():
            self._check_at, self._checks = asyncio.get_running_loop().time() + LOOK_S, self._checks + 1
            if self._retries or self._checks >= THOROUGH_EVERY or not self._folder.is_settled():
                self._checks = 0
                await asyncio.to_thread(self._folder.look)
                return

    async def _is_woken(self) -> bool:
        """False when it is time to check the folder."""
        try:
            async with asyncio.timeout_at(self._check_at):
                await self._wake.wait()
        except TimeoutError:
            return False
        return asyncio.get_running_loop().time() < self._check_at

    def wake(self) -> None:
        """A worker has ended."""
        self._wake.set()

    def mirror_changed(self, old: Object | None, new: Object | None) -> None:
        shown = new if new is not None else old
        assert shown is not None
        key = podspec.key_of(shown)
        if new is not None:
            self._mirrors[key] = new
        elif self._mirrors.get(key, {"metadata": {}})["metadata"].get("uid") == shown["metadata"]["uid"]:
            del self._mirrors[key]
        for worker in self._workers.static():
            if podspec.key_of(worker.pod) == key:
                worker.mirrored(self._mirror(worker.pod))
        self._wake.set()

    def uids(self) -> set[str]:
        """Of all pods that the folder asks for."""
        return set(self._wanted())

    def uid_of(self, uid: str) -> str:
        """The pod's own uid for that of its mirror; any other as it is."""
        return next((mirrored_uid(each) for each in self._mirrors.values() if each["metadata"]["uid"] == uid), uid)

    def _wanted(self) -> dict[str, Manifest]:
        return {each.uid: each for each in self._manifests()}

    def _manifests(self) -> Iterator[Manifest]:
        """Of two files that ask for the same pod the first counts."""
        taken: set[str] = set()
        for _, read in sorted(self._folder.files.items()):
            if read.manifest is not None and read.manifest.key not in taken:
                taken.add(read.manifest.key)
                yield read.manifest

    def _mirror(self, pod: Object) -> Object | None:
        """The mirror that shows just this pod."""
        found = self._mirrors.get(podspec.key_of(pod))
        return found if found is not None and mirrored_uid(found) == pod["metadata"]["uid"] and not podspec.deleting(found) else None

    async def _round(self) -> None:
        wanted = self._wanted()
        for worker in self._workers.static():
            if worker.pod["metadata"]["uid"] not in wanted and not podspec.deleting(worker.pod):
                worker.update(_ending(worker.pod))
        for manifest in wanted.values():
            await self._keep(manifest)
        await self._remove_mirrors(wanted)
        await self._forget(wanted)
        await self._report(wanted)

    async def _keep(self, manifest: Manifest) -> None:
        mirror = self._mirror(manifest.pod)
        if manifest.uid not in self._admitted or mirror is None:
            await self._let_in(manifest)
        self._begin(manifest)
        worker = self._workers.worker(manifest.uid)
        if worker is not None:
            # One that has taken the place of another does not know of it.
            worker.mirrored(self._mirror(manifest.pod))

    def _begin(self, manifest: Manifest) -> None:
        """Unless one of its name has not ended yet."""
        pod = self._admitted.get(manifest.uid)
        if pod is None or any(podspec.key_of(each.pod) == manifest.key for each in self._workers.static()):
            return
        status = (self._mirror(pod) or {}).get("status") or {}
        if status.get("reason") in STOPPED:
            # It ended with the node, and comes again with it.
            status = {}
        self._workers.begin(manifest.uid, pod | {"status": status})

    async def _let_in(self, manifest: Manifest) -> None:
        if not self._is_due(manifest.uid):
            return
        try:
            created = await self._create(manifest)
        except ApiError as error:
            self._refused[manifest.uid] = error.message
            self._failed(manifest.uid)
            return
        self._retries.pop(manifest.uid, None)
        self._refused.pop(manifest.uid, None)
        self._mirrors[manifest.key] = created
        if manifest.uid not in self._admitted:
            pod = self._admitted[manifest.uid] = admitted_as(manifest, created)
            await asyncio.to_thread(self._kept.save, pod)

    def _is_due(self, what: str) -> bool:
        return asyncio.get_running_loop().time() >= self._retries.get(what, (0, 0.0))[1]

    def _failed(self, what: str) -> None:
        failures = self._retries.get(what, (0, 0.0))[0]
        pause_s = min(RETRY_MOST_S, RETRY_FIRST_S * 2 ** min(failures, 16))
        self._retries[what] = (failures + 1, asyncio.get_running_loop().time() + pause_s)

    async def _create(self, manifest: Manifest) -> Object:
        """Raises ApiError. Whatever else mirrors a pod of that name makes way; a pod that is no mirror does not."""
        there = self._mirrors.get(manifest.key)
        if there is not None:
            await self._delete(there)
        node = await self._client.get(NODES, self._config.node_name)
        try:
            return await self._client.create(PODS, mirror_of(manifest, node, meta.rfc3339(time.time())))
        except AlreadyExists:
            pod = manifest.pod["metadata"]
            found = await self._client.get_or_none(PODS, pod["name"], pod["namespace"])
            if found is None or not mirrored_uid(found):
                raise
            self._mirrors[manifest.key] = found
            raise

    async def _delete(self, mirror: Object) -> None:
        metadata = mirror["metadata"]
        with suppress(NotFound, Conflict):
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], grace_s=0, uid=metadata["uid"])
        if self._mirrors.get(podspec.key_of(mirror)) is mirror:
            del self._mirrors[podspec.key_of(mirror)]

    async def _remove_mirrors(self, wanted: dict[str, Manifest]) -> None:
        """Of pods that nothing asks for any more, once they have ended."""
        keys = {each.key for each in wanted.values()}
        for key, mirror in list(self._mirrors.items()):
            if key not in keys and self._workers.worker(mirrored_uid(mirror)) is None and self._is_due(key):
                try:
                    await self._delete(mirror)
                except ApiError as error:
                    self._failed(key)
                    log.warning("mirror pod not deleted", pod=key, why=error.message)

    async def _forget(self, wanted: dict[str, Manifest]) -> None:
        if gone := self._admitted.keys() - wanted.keys():
            for uid in gone:
                del self._admitted[uid]
            await asyncio.to_thread(self._kept.keep_only, list(self._admitted))
        for uid in self._refused.keys() - wanted.keys():
            del self._refused[uid]
        for what in self._retries.keys() - wanted.keys() - self._mirrors.keys():
            del self._retries[what]

    async def _report(self, wanted: dict[str, Manifest]) -> None:
        """What is wrong with files: into the log and the node's events when it is new, and into the file that `ph status` reads."""
        found = dict(self._problems(wanted))
        if found == self._said:
            return
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._config.node_name, "uid": self._config.node_name}}
        for file, why in found.items():
            if (self._said or {}).get(file) != why:
                log.warning("static pod not kept", file=file, why=why)
                self._recorder.say(node, "Warning", "FailedStaticPod", f"manifest {file}: {why}")
        self._said = found
        await asyncio.to_thread(self._kept.say, found)

    def _problems(self, wanted: dict[str, Manifest]) -> Iterator[tuple[str, str]]:
        files = {each.key: each.file for each in wanted.values()}
        for file, read in sorted(self._folder.files.items()):
            manifest = read.manifest
            if manifest is None:
                yield file, read.problem
            elif manifest.uid not in wanted:
                yield file, f"pod {manifest.key} comes from {files[manifest.key]} already; give one of them another name"
            elif manifest.uid in self._refused:
                yield file, self._refused[manifest.uid]


def _ending(pod: Object) -> Object:
    """The pod, on its way out within its grace."""
    grace_s = podspec.grace_s(pod)
    ending = {"deletionTimestamp": meta.rfc3339(time.time() + grace_s), "deletionGracePeriodSeconds": grace_s}
    return pod | {"metadata": pod["metadata"] | ending}
