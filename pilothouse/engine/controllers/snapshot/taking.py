"""Takes and removes the snapshots that contents stand for, as the snapshotter sidecar of a driver does it for its driver.

A content is its driver's to serve; this serves those of the drivers that it was given, and leaves the others to their sidecars.
Source: kubernetes-csi/external-snapshotter pkg/sidecar-controller/snapshot_controller.go.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informer import Informer
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.snapshots import BEING_DELETED, CONTENT_BOUND, DELETE, VOLUMESNAPSHOTCONTENTS, is_ready

WORKERS = 16
"""Several times as many as one driver is given at a time (`csi.drivers.MOST_CALLS`): one that hangs leaves room for the others."""
LOOK_S = 2.0
"""How soon a snapshot is looked at again that is still being copied."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot on its storage. taken_ns: since 1970, None when it is not known. size_bytes: of a volume made of it; likewise."""

    handle: str
    is_ready: bool
    taken_ns: int | None = None
    size_bytes: int | None = None


class SnapshotDriver(Protocol):
    """Whoever has snapshots on a storage. Every call may be repeated, and is after a crash; all raise ApiError."""

    async def take(self, content: Object, parameters: Mapping[str, str]) -> Taken:
        """Of the volume `spec.source.volumeHandle`. The same content always stands for the same snapshot. parameters: of the class."""
        ...

    async def look(self, content: Object) -> Taken:
        """At one that was there before: `spec.source.snapshotHandle`."""
        ...

    async def remove(self, content: Object) -> None:
        """What the content stands for, also one that is still being taken; one that is not there is no failure."""
        ...


class Taker:
    def __init__(
        self,
        client: Client,
        contents: Informer,
        classes: Informer,
        recorder: Recorder,
        drivers: Mapping[str, SnapshotDriver],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._contents = contents
        self._classes = classes
        self._recorder = recorder
        self._drivers = drivers
        self._clock = clock
        self._controller = Controller("snapshot contents", self.reconcile, workers=WORKERS)
        self._controller.watches(contents)

    async def run(self) -> None:
        await self._controller.run()

    async def reconcile(self, name: str) -> float | None:
        content = self._contents.get(name)
        driver = None if content is None else self._drivers.get(content["spec"]["driver"])
        if content is None or driver is None:
            return None
        if meta.is_deleting(content):
            await self._remove(driver, content)
            return None
        if is_ready(content):
            return None
        try:
            taken = await self._take(driver, content)
        except ApiError as error:
            await self._failed(content, error.message)
            raise
        await self._show(content, taken)
        return None if taken.is_ready else LOOK_S

    async def _take(self, driver: SnapshotDriver, content: Object) -> Taken:
        if content["spec"]["source"].get("snapshotHandle"):
            return await driver.look(content)
        by = self._classes.get(content["spec"].get("volumeSnapshotClassName") or "")
        return await driver.take(content, (by or {}).get("parameters") or {})

    async def _show(self, content: Object, taken: Taken) -> None:
        status = {"snapshotHandle": taken.handle, "readyToUse": taken.is_ready}
        if taken.taken_ns is not None:
            status["creationTime"] = taken.taken_ns
        if taken.size_bytes is not None:
            status["restoreSize"] = taken.size_bytes
        if status != content.get("status"):
            await self._client.update_status(VOLUMESNAPSHOTCONTENTS, content | {"status": status})

    async def _failed(self, content: Object, why: str) -> None:
        message = f"Failed to create snapshot: {why}"
        self._recorder.say(content, "Warning", "SnapshotCreationFailed", message)
        status = content.get("status") or {}
        if (status.get("error") or {}).get("message") != message:
            error = {"message": message, "time": meta.rfc3339(self._clock())}
            await self._client.update_status(VOLUMESNAPSHOTCONTENTS, content | {"status": status | {"error": error, "readyToUse": False}})

    async def _remove(self, driver: SnapshotDriver, content: Object) -> None:
        """Only what its snapshot has been let go of: one that is deleted by itself waits for that."""
        spec = content["spec"]
        is_free = not (spec.get("volumeSnapshotRef") or {}).get("uid") or BEING_DELETED in meta.annotations(content)
        if CONTENT_BOUND not in meta.finalizers(content) or not is_free:
            return
        if spec["deletionPolicy"] == DELETE:
            try:
                await driver.remove(content)
            except ApiError as error:
                self._recorder.say(content, "Warning", "SnapshotDeleteError", f"Failed to delete snapshot: {error.message}")
                raise
        left = [each for each in meta.finalizers(content) if each != CONTENT_BOUND]
        await self._client.update(VOLUMESNAPSHOTCONTENTS, content | {"metadata": content["metadata"] | {"finalizers": left}})
