"""Keeps what BackupStores stand on: a volume's claim, the key, the programs of Jobs; and says how each does."""

import asyncio
import base64
import contextlib
import secrets
import time
from collections.abc import Mapping

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, BadRequest, Forbidden, Invalid
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.pattern.backups import labels, programs, stores
from pilothouse.platform.databases.pattern.backups.cache import Cache
from pilothouse.platform.databases.pattern.backups.plan import store_of
from pilothouse.platform.databases.pattern.backups.source import Source
from pilothouse.platform.databases.resource import BACKUP_STORES

REFUSED = (BadRequest, Forbidden, Invalid)
REFUSED_S = 15.0
KEY_BYTES = 32
KEY_EACH_S = 300.0
"""Between looks whether the key is still there."""


class StoreController:
    """A claim, a key and a program that are there are left as they are: a key above all, without which no backup can be read."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, sources: Mapping[str, Source], program: bytes) -> None:
        self.client, self.recorder, self.program = client, recorder, program
        self.cache = Cache(informers, sources)
        self.controller = Controller("backup stores", self.reconcile)
        self.controller.watches(self.cache.stores)
        self.controller.watches(
            self.cache.backups, lambda backup: f"{meta.namespace(backup)}/{store_of(backup, self.cache.instance(backup))}"
        )

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        store = self.cache.stores.get(key)
        if store is None or meta.is_deleting(store):
            return None
        mine = [each for each in self.cache.backups.items() if self._store_key(each) == key]
        try:
            said = stores.ready(store, mine)
            if not stores.faults(store) and not await self._ensure(store, sealed=stores.sealed(mine)):
                said = stores.key_lost(store, mine)
        except REFUSED as error:
            await self._write_status(store, mine, ("False", "Refused", error.message), observed=False)
            return REFUSED_S
        await self._write_status(store, mine, said)
        return REFUSED_S if said[1] == stores.KEY_LOST else KEY_EACH_S

    def _store_key(self, backup: Object) -> str:
        return f"{meta.namespace(backup)}/{store_of(backup, self.cache.instance(backup))}"

    async def _ensure(self, store: Object, *, sealed: bool) -> bool:
        """sealed: whether something lies there that a new key would not open. Returns whether the key is there."""
        await self._create(kinds.CONFIGMAPS, programs.config_map(store, self.program))
        key = {"key": base64.b64encode(base64.b64encode(secrets.token_bytes(KEY_BYTES))).decode()}
        metadata = {"name": labels.key_secret(store), "namespace": meta.namespace(store)}
        secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": key}
        # Whether it is there is asked without the right to read it.
        is_lost = await self._create(kinds.SECRETS, secret, dry_run=sealed) and sealed
        claim, seen = stores.claim(store), (store.get("status") or {}).get("observedGeneration", 0)
        if claim is not None and not await self._create(kinds.PERSISTENTVOLUMECLAIMS, claim) and seen != meta.generation(store):
            # Only the room grows; a claim that asks for less is refused by the cluster, in its own words.
            change = {"spec": {"resources": claim["spec"]["resources"]}}
            await self.client.patch(kinds.PERSISTENTVOLUMECLAIMS, meta.name(claim), change, namespace=meta.namespace(claim))
        return not is_lost

    async def _create(self, resource: Resource, obj: Object, *, dry_run: bool = False) -> bool:
        """Whether it was not there."""
        with contextlib.suppress(AlreadyExists):
            await self.client.create(resource, obj, dry_run=dry_run)
            return True
        return False

    async def _write_status(self, store: Object, mine: list[Object], said: tuple[str, str, str], *, observed: bool = True) -> None:
        """observed: whether the spec has been carried out; else it is tried again."""
        old: Object = store.get("status") or {}
        good = [each["status"] for each in mine if (each.get("status") or {}).get("phase") == "Succeeded"]
        condition = {
            "type": "Ready",
            "status": said[0],
            "reason": said[1],
            "message": said[2],
            "observedGeneration": meta.generation(store),
        }
        new = {
            "observedGeneration": meta.generation(store) if observed else old.get("observedGeneration", 0),
            "backups": len(good),
            "bytes": sum(int(each.get("bytes") or 0) for each in good),
            "conditions": meta.with_condition(old.get("conditions"), condition, meta.rfc3339(time.time())),
        }
        if all(old.get(name) == value for name, value in new.items()):
            return
        if said[0] == "False":
            self.recorder.say(store, "Warning", said[1], said[2])
        await self.client.patch(BACKUP_STORES, meta.name(store), {"status": new}, namespace=meta.namespace(store), subresource="status")
