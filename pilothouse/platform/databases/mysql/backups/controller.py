"""Restores new instances, keeps archives of those that want one, and tells of both in the instances' status."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.covering import covers
from pilothouse.model.errors import AlreadyExists, BadRequest, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.mysql.backups import archive, restore
from pilothouse.platform.databases.mysql.backups.archive import Told
from pilothouse.platform.databases.mysql.backups.source import MySQLSource
from pilothouse.platform.databases.mysql.labels import UID, is_of
from pilothouse.platform.databases.pattern.backups import labels, proofs, stores
from pilothouse.platform.databases.pattern.backups.cache import Cache, task
from pilothouse.platform.databases.resource import BACKUP_STORES, MYSQLS

REFUSED = (BadRequest, Forbidden, Invalid)
REFUSED_S = 15.0
WAIT_S = 5.0
Ask = Callable[[Object], Awaitable[Told | None]]
"""What an archive's pod says; None when it does not answer."""


async def ask(pod: Object) -> Told | None:
    import aiohttp

    address = (pod.get("status") or {}).get("podIP")
    if not address:
        return None
    host = f"[{address}]" if ":" in address else address
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session,
            session.get(f"http://{host}:{archive.PORT}/state") as answer,
        ):
            return Told.read(await answer.json())
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
        return None


class InstanceBackupController:
    """Writes `archivedUntil`, `lastBackup`, `database` and the conditions Restored and Archiving of MySQL instances, and nothing else."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, program: bytes, *, asked: Ask = ask) -> None:
        self.client, self.recorder, self.program, self.asked = client, recorder, program, asked
        self.cache = Cache(informers, {MYSQLS.kind: MySQLSource()})
        self.instances = informers.of(MYSQLS)
        self.deployments = informers.of(kinds.DEPLOYMENTS, label_selector=labels.INSTANCE)
        self.controller = Controller("instance backups", self.reconcile, workers=2)
        self.controller.watches(self.instances)
        for informer in (self.cache.jobs, self.cache.pods):
            self.controller.watches(informer, lambda obj: f"{meta.namespace(obj)}/{meta.labels(obj).get(labels.JOB, '')}")
        self.controller.watches(self.cache.backups, self._affected)
        self.controller.watches(self.cache.stores, self._in_namespace)
        self.controller.watches(self.deployments, lambda obj: f"{meta.namespace(obj)}/{meta.labels(obj)[labels.INSTANCE]}")

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        found = self.instances.get(key)
        left = self.deployments.get(f"{key}{archive.SUFFIX}")
        if left is not None and _is_left_over(left, found):
            await self._delete(kinds.DEPLOYMENTS, left)
            return WAIT_S
        if found is None:
            return None
        # What the cache holds is not changed: writes of this round change this copy.
        instance = dict(found)
        try:
            again_s = await self._restore(instance)
            follows_s = await self._archive(instance)
        except REFUSED as error:
            self.recorder.say(instance, "Warning", "BackupsRefused", f"the cluster refuses what backups need: {error.message}")
            return REFUSED_S
        await self._note_newest(instance)
        return min((each for each in (again_s, follows_s) if each is not None), default=None)

    async def _restore(self, instance: Object) -> float | None:
        space = meta.namespace(instance)
        backups = [each for each in self.cache.backups.items() if meta.namespace(each) == space]
        known = {meta.name(each): each for each in self.cache.stores.items() if meta.namespace(each) == space}
        todo = restore.plan(instance, backups, known, self.cache.jobs_of(instance).get(restore.TASK), self.program)
        if todo.database:
            await self._write(instance, {"database": todo.database})
        if todo.create is not None:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(kinds.JOBS, todo.create)
        if todo.condition is not None:
            await self._say(instance, restore.RESTORED, todo.condition)
        if todo.remove is not None:
            await self._delete(kinds.JOBS, todo.remove)
        return todo.again_s

    async def _archive(self, instance: Object) -> float | None:
        found = self.deployments.get(f"{meta.namespace(instance)}/{archive.name(instance)}")
        if not archive.is_wanted(instance):
            if found is not None and is_of(instance, found):
                await self._delete(kinds.DEPLOYMENTS, found)
            await self._forget(instance, archive.ARCHIVING)
            return None
        store = self.cache.stores.get(f"{meta.namespace(instance)}/{archive.store_name(instance)}")
        if store is None and archive.store_name(instance) == labels.DEFAULT_STORE:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(BACKUP_STORES, stores.default(meta.namespace(instance)))
            return WAIT_S
        if found is not None and not is_of(instance, found):
            said = f"deployment {meta.name(found)} exists and is not this instance's: remove it, or rename the instance"
            await self._say(instance, archive.ARCHIVING, ("False", "NameTaken", said))
            return REFUSED_S
        if store is not None and (instance.get("status") or {}).get("image"):
            await self._ensure(instance, archive.deployment(instance, store, self.program), found)
        await self._tell_archived(instance, store)
        return archive.AGAIN_S

    async def _ensure(self, instance: Object, wanted: Object, found: Object | None) -> None:
        if found is None:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(kinds.DEPLOYMENTS, wanted)
        elif not covers(found["spec"], wanted["spec"]):
            await self.client.patch(kinds.DEPLOYMENTS, meta.name(found), {"spec": wanted["spec"]}, namespace=meta.namespace(found))

    async def _tell_archived(self, instance: Object, store: Object | None) -> None:
        pods = [each for each in self.cache.pods.by_index("owner", meta.uid(instance)) if task(each) == archive.TASK]
        told = await self.asked(pods[-1]) if pods and store is not None else None
        if told is not None and told.until_us:
            through = archive.through(instance, told)
            said: Object = {"archivedUntil": meta.rfc3339_micro(told.until_us / 1e6)}
            await self._write(instance, said | ({"archivedThrough": through} if through else {}))
        await self._say(instance, archive.ARCHIVING, archive.condition(instance, store, told, self._backups_of(instance)))

    async def _note_newest(self, instance: Object) -> None:
        newest = proofs.newest(self._backups_of(instance))
        if newest is not None:
            await self._write(instance, {"lastBackup": newest["status"]["finishedAt"]})

    def _backups_of(self, instance: Object) -> list[Object]:
        """Not those of another one that had the name before."""
        mine = self.cache.backups_of(meta.key(instance))
        return [each for each in mine if (each.get("status") or {}).get("instanceUid") == meta.uid(instance)]

    async def _say(self, instance: Object, kind: str, said: tuple[str, str, str]) -> None:
        """As of the version that was read: what another part says at the same time is not lost."""
        old = instance.get("status") or {}
        before = meta.condition(instance, kind) or {}
        new = dict(zip(("status", "reason", "message"), said, strict=True))
        if all(before.get(name) == value for name, value in new.items()):
            return
        if new["message"] and before.get("reason") != new["reason"]:
            passing = new["status"] == "True" or new["reason"] in ("Restoring", "Starting", "Suspended")
            self.recorder.say(instance, "Normal" if passing else "Warning", new["reason"], new["message"])
        condition = {"type": kind, "observedGeneration": meta.generation(instance), **new}
        conditions = meta.with_condition(old.get("conditions"), condition, meta.rfc3339(time.time()))
        await self._patch(
            instance, {"metadata": {"resourceVersion": meta.resource_version(instance)}, "status": {"conditions": conditions}}
        )

    async def _forget(self, instance: Object, kind: str) -> None:
        """Take away the condition on what is no longer wanted."""
        conditions = (instance.get("status") or {}).get("conditions") or []
        if left := [each for each in conditions if each["type"] == kind]:
            rest = [each for each in conditions if each not in left]
            await self._patch(instance, {"metadata": {"resourceVersion": meta.resource_version(instance)}, "status": {"conditions": rest}})

    async def _write(self, instance: Object, status: Object) -> None:
        old = instance.get("status") or {}
        if any(old.get(name) != value for name, value in status.items()):
            await self._patch(instance, {"status": status})

    async def _patch(self, instance: Object, change: Object) -> None:
        """The instance at hand becomes what the server has then."""
        with contextlib.suppress(NotFound):
            new = await self.client.patch(MYSQLS, meta.name(instance), change, namespace=meta.namespace(instance), subresource="status")
            instance["metadata"], instance["status"] = new["metadata"], new.get("status") or {}

    async def _delete(self, resource: Resource, obj: Object) -> None:
        with contextlib.suppress(NotFound):
            await self.client.delete(resource, meta.name(obj), meta.namespace(obj), uid=meta.uid(obj), propagation="Background")

    def _affected(self, backup: Object) -> list[str]:
        """Its instance, and those that wait for a backup to restore."""
        space = meta.namespace(backup)
        mine = [each for each in self.instances.items() if meta.namespace(each) == space and each["spec"].get("restore")]
        waiting = [meta.key(each) for each in mine if not (each.get("status") or {}).get("seeded")]
        return [f"{space}/{labels.instance_of(backup)}", *waiting]

    def _in_namespace(self, store: Object) -> list[str]:
        return [meta.key(each) for each in self.instances.items() if meta.namespace(each) == meta.namespace(store)]


def _is_left_over(deployment: Object, instance: Object | None) -> bool:
    """Whether it is the archive of an instance that has gone."""
    return UID in meta.annotations(deployment) and (instance is None or not is_of(instance, deployment))
