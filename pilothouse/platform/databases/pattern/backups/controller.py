"""Carries out Backups by Jobs, takes those that schedules want, and lets go of those that have been kept long enough."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, BadRequest, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.pattern.backups import labels, programs
from pilothouse.platform.databases.pattern.backups.cache import Cache, instance_keys
from pilothouse.platform.databases.pattern.backups.plan import Plan, Seen, plan, store_of
from pilothouse.platform.databases.pattern.backups.retention import outlived
from pilothouse.platform.databases.pattern.backups.schedule import agenda
from pilothouse.platform.databases.pattern.backups.source import Source
from pilothouse.platform.databases.pattern.types import BackupPolicy
from pilothouse.platform.databases.resource import BACKUP_STORES, BACKUPS

REFUSED = (BadRequest, Forbidden, Invalid)
"""What the server says to an object that it will not have: said in the status, and tried again."""
REFUSED_S = 15.0
_KINDS: Mapping[str, Resource] = {each.kind: each for each in (kinds.JOBS, BACKUP_STORES, BACKUPS)}


class BackupController:
    """program: of the Jobs, see `databases.bundle`."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        sources: Mapping[str, Source],
        program: bytes,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.client, self.recorder, self.program, self.now_s = client, recorder, program, now_s
        self.cache = Cache(informers, sources)
        self.controller = Controller("backups", self.reconcile, workers=2)
        self.schedules = Controller("backup schedules", self.schedule)
        again = self.controller.watches
        again(self.cache.backups)
        # One that has ended lets the next one of its instance begin.
        again(self.cache.backups, self._beside)
        again(self.cache.stores, lambda store: map(meta.key, self._in_store(store)))
        for informer in (self.cache.jobs, self.cache.pods):
            again(informer, self._of_job)
        for kind, informer in self.cache.instances.items():
            again(informer, lambda instance: map(meta.key, self.cache.backups_of(meta.key(instance))))
            self.schedules.watches(informer, lambda instance, kind=kind: f"{kind}/{meta.key(instance)}")  # type: ignore[misc]
        self.schedules.watches(self.cache.backups, lambda backup: f"{labels.kind_of(backup)}/{instance_keys(backup)[0]}")

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            tasks.spawn(self.schedules.run())
            await self.controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        backup = self.cache.backups.get(key)
        source = self.cache.sources.get(labels.kind_of(backup)) if backup is not None else None
        if backup is None or source is None:
            return None
        seen = await self._seen(backup)
        todo = plan(backup, seen, source, self.now_s())
        try:
            await self._carry_out(backup, todo)
        except REFUSED as error:
            message = f"the cluster refuses what the backup needs: {error.message}"
            await self._write_status(backup, {"phase": _phase(backup), "reason": "Refused", "message": message})
            return REFUSED_S
        return todo.again_s

    async def schedule(self, key: str) -> float | None:
        kind, _, instance_key = key.partition("/")
        informer = self.cache.instances.get(kind)
        instance = informer.get(instance_key) if informer is not None else None
        if instance is None or meta.is_deleting(instance):
            return None
        policy = BackupPolicy.model_validate(instance["spec"].get("backup") or {})
        backups, now = self.cache.backups_of(instance_key), self.now_s()
        todo = agenda(instance, kind, policy, backups, now)
        if todo.due is not None:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(BACKUPS, todo.due)
        for backup in outlived(backups, policy.keep, now):
            await self._delete(BACKUPS, backup)
        return todo.again_s

    async def _seen(self, backup: Object) -> Seen:
        cache, space = self.cache, meta.namespace(backup)
        instance = cache.instance(backup)
        name = store_of(backup, instance)
        store = cache.stores.get(f"{space}/{name}")
        goes = False
        if meta.is_deleting(backup):
            found = await self.client.get_or_none(kinds.NAMESPACES, space)
            goes = found is None or meta.is_deleting(found)
        others = cache.backups_of(instance_keys(backup)[0])
        return Seen(instance, store, programs.name(name, self.program), others, cache.jobs_of(backup), goes)

    async def _carry_out(self, backup: Object, todo: Plan) -> None:
        for wanted in todo.create:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(_KINDS[wanted["kind"]], wanted)
        if todo.status:
            await self._write_status(backup, todo.status)
        for job in todo.remove:
            await self._delete(kinds.JOBS, job)
        if todo.finalizers is not None:
            metadata = {"finalizers": todo.finalizers, "resourceVersion": meta.resource_version(backup)}
            await self._patch(backup, {"metadata": metadata})

    async def _write_status(self, backup: Object, status: Object) -> None:
        old = backup.get("status") or {}
        if all(old.get(key) == value for key, value in status.items()):
            return
        for kind in ("Complete", "Verified"):
            self._announce(backup, meta.condition(backup, kind) or {}, meta.condition({"status": status}, kind) or {})
        await self._patch(backup, {"status": status | {"observedGeneration": meta.generation(backup)}}, "status")

    def _announce(self, backup: Object, before: Object, after: Object) -> None:
        if not after.get("message") or (before.get("reason"), before.get("message")) == (after["reason"], after["message"]):
            return
        is_trouble = after["reason"] == "Failed" or (after["type"] == "Verified" and after["status"] != "True")
        self.recorder.say(backup, "Warning" if is_trouble else "Normal", after["reason"], after["message"])

    async def _patch(self, backup: Object, change: Object, subresource: str | None = None) -> None:
        with contextlib.suppress(NotFound):
            await self.client.patch(BACKUPS, meta.name(backup), change, namespace=meta.namespace(backup), subresource=subresource)

    async def _delete(self, resource: Resource, obj: Object) -> None:
        with contextlib.suppress(NotFound):
            await self.client.delete(resource, meta.name(obj), meta.namespace(obj), uid=meta.uid(obj), propagation="Background")

    def _beside(self, backup: Object) -> list[str]:
        return [meta.key(each) for each in self.cache.backups_of(instance_keys(backup)[0])]

    def _in_store(self, store: Object) -> list[Object]:
        return [
            each
            for each in self.cache.backups.items()
            if meta.namespace(each) == meta.namespace(store) and store_of(each, self.cache.instance(each)) == meta.name(store)
        ]

    def _of_job(self, obj: Object) -> list[str]:
        uid = meta.labels(obj).get(labels.BACKUP_UID)
        return [meta.key(each) for each in self.cache.backups.items() if meta.uid(each) == uid]


def _phase(backup: Object) -> str:
    return str((backup.get("status") or {}).get("phase") or "Pending")
