"""The snapshot controller: snapshots and contents find each other, whoever takes the snapshots.

    snapshot -> its class, its content, the content's status as its own
    content  -> who has the snapshot on its storage (`taking`)

The kinds are custom ones: their caches begin when they are served, and nothing of the control plane waits for them.
Level-triggered: `plan` says what is to be done, and each write carries the revision that it was decided by.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.own_kinds import installed
from pilothouse.engine.controllers.snapshot.install import install
from pilothouse.engine.controllers.snapshot.plan import Create, Delete, Facts, Fail, Say, Write, may_have_begun, plan
from pilothouse.engine.controllers.snapshot.taking import SnapshotDriver, Taker
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.snapshots import (
    AS_SOURCE,
    CLAIM_AS_SOURCE,
    VOLUMESNAPSHOTCLASSES,
    VOLUMESNAPSHOTCONTENTS,
    VOLUMESNAPSHOTS,
    content_name,
    is_ready,
    is_source_of,
    snapshot_key,
    source_claim,
)

log = structlog.get_logger("controllers.snapshot")

REPAIR_S = 60.0
_KINDS = {each.kind: each for each in (VOLUMESNAPSHOTS, VOLUMESNAPSHOTCONTENTS, PERSISTENTVOLUMECLAIMS)}


class SnapshotController:
    """drivers: by their names, who take the snapshots that no sidecar of a driver takes."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        drivers: Mapping[str, SnapshotDriver],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._own = Informers(informers.client)
        self._snapshots = self._own.of(VOLUMESNAPSHOTS, indexes={"claim": _claim_key})
        self._contents = self._own.of(VOLUMESNAPSHOTCONTENTS)
        self._classes = self._own.of(VOLUMESNAPSHOTCLASSES)
        self._taker = Taker(client, self._contents, self._classes, recorder, drivers, clock)
        self._controller = Controller("snapshot", self.reconcile, workers=2)
        self._controller.watches(self._snapshots)
        self._controller.watches(self._contents, snapshot_key)
        self._controller.watches(self._claims, self._concerned)
        self._controller.watches(self._classes, lambda obj: self._unready())

    async def run(self, ready: asyncio.Event | None = None) -> None:
        if ready is not None:
            ready.set()
        await installed(lambda: install(self._client), "snapshots")
        async with scope() as tasks:
            tasks.spawn(self._own.run(), name="informers of snapshots")
            tasks.spawn(self._taker.run(), name="snapshot taker")
            await self._controller.run()

    def _concerned(self, claim: Object) -> Iterable[str]:
        """Snapshots of the claim, and the one that a volume is made of for it."""
        source = claim["spec"].get("dataSourceRef") or {}
        restored = [f"{meta.namespace(claim)}/{source['name']}"] if source.get("kind") == VOLUMESNAPSHOTS.kind else []
        return [meta.key(each) for each in self._snapshots.by_index("claim", meta.key(claim))] + restored

    def _unready(self) -> Iterable[str]:
        return [meta.key(each) for each in self._snapshots.items() if not is_ready(each)]

    async def reconcile(self, key: str) -> float | None:
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            return None
        for action in plan(await self._facts(snapshot)):
            match action:
                case Write(obj, is_status):
                    await self._write(obj, is_status=is_status)
                case Create(content):
                    await self._client.create(VOLUMESNAPSHOTCONTENTS, content)
                case Delete(content):
                    await self._delete(content)
                case Say(reason, message, type_):
                    self._recorder.say(snapshot, type_, reason, message)
                case Fail(reason, message):
                    await self._fail(snapshot, reason, message)
        return None if is_ready(snapshot) and not meta.is_deleting(snapshot) else REPAIR_S

    async def _facts(self, snapshot: Object) -> Facts:
        claim = self._claims.get(f"{meta.namespace(snapshot)}/{source_claim(snapshot)}")
        volume = None if claim is None else self._volumes.get(claim["spec"].get("volumeName") or "")
        claims = self._claims.items() if meta.is_deleting(snapshot) else []
        is_kept = claim is not None and CLAIM_AS_SOURCE in meta.finalizers(claim)
        return Facts(
            snapshot,
            await self._content(snapshot) if is_kept else self._contents.get(content_name(snapshot)),
            claim,
            volume,
            self._classes.items(),
            is_restored=any(_is_pending(each) and is_source_of(snapshot, each) for each in claims),
            claim_is_needed=claim is not None and is_kept and await self._is_needed(claim, snapshot),
        )

    async def _content(self, snapshot: Object) -> Object | None:
        """Asked for when the cache has none that may have been made a moment ago: the claim may not go then."""
        found = self._contents.get(content_name(snapshot))
        if found is not None or is_ready(snapshot) or AS_SOURCE not in meta.finalizers(snapshot):
            return found
        return await self._client.get_or_none(VOLUMESNAPSHOTCONTENTS, content_name(snapshot))

    async def _is_needed(self, claim: Object, snapshot: Object) -> bool:
        """Whether another snapshot is being taken of the claim, or is about to be: none begins of a claim that is being deleted."""
        for other in self._snapshots.by_index("claim", meta.key(claim)):
            if meta.uid(other) == meta.uid(snapshot) or meta.is_deleting(other):
                continue
            content = await self._content(other)
            if (may_have_begun(other) and not meta.is_deleting(claim)) if content is None else not is_ready(content):
                return True
        return False

    async def _write(self, obj: Object, *, is_status: bool) -> None:
        resource = _KINDS[obj["kind"]]
        if is_status:
            await self._client.update_status(resource, obj)
        else:
            await self._client.update(resource, obj)

    async def _delete(self, content: Object) -> None:
        try:
            await self._client.delete(VOLUMESNAPSHOTCONTENTS, meta.name(content), uid=meta.uid(content))
        except NotFound:
            return

    async def _fail(self, snapshot: Object, reason: str, message: str) -> None:
        status = snapshot.get("status") or {}
        if (status.get("error") or {}).get("message") == message and status.get("readyToUse") is False:
            return
        error = {"message": message, "time": meta.rfc3339(self._clock())}
        await self._client.update_status(VOLUMESNAPSHOTS, snapshot | {"status": status | {"error": error, "readyToUse": False}})
        self._recorder.say(snapshot, "Warning", reason, message)


def _claim_key(snapshot: Object) -> Iterable[str]:
    name = source_claim(snapshot)
    return [f"{meta.namespace(snapshot)}/{name}"] if name else []


def _is_pending(claim: Object) -> bool:
    return (claim.get("status") or {}).get("phase") == "Pending" and not meta.is_deleting(claim)
