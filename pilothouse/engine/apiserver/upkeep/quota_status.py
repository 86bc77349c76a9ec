"""Keeps the status of ResourceQuotas true: what is used, counted anew whenever something in their namespace changes."""

import asyncio
from typing import Any

from pilothouse.engine.apiserver.admission.quota import ResourceQuota
from pilothouse.engine.store.errors import Mismatch, StorageFailed, StoreBusy, StoreClosed
from pilothouse.model.json import Object

_PREFIX = "/resourcequotas/"
_PAUSE_S = 0.05
_RETRY_S = 5.0


class QuotaStatus:
    def __init__(self, store: Any, quota: ResourceQuota) -> None:
        self._store = store
        self._quota = quota
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Works until it is cancelled."""
        watch = self._store.watch("/", self._store.revision, self._note)
        try:
            self._dirty |= {record.value["metadata"]["namespace"] for record in self._store.scan(_PREFIX)}
            while True:
                if not self._dirty:
                    self._wake.clear()
                    await self._wake.wait()
                # Changes come in bursts; one count serves all of a burst.
                await asyncio.sleep(_PAUSE_S)
                namespaces, self._dirty = self._dirty, set()
                for namespace in namespaces:
                    await self._refresh(namespace)
        finally:
            watch.close()

    def _note(self, change: Any) -> None:
        namespace = change.record.key.split("/", 3)[2]
        if namespace and self._store.count(f"{_PREFIX}{namespace}/"):
            self._dirty.add(namespace)
            self._wake.set()

    async def _refresh(self, namespace: str) -> None:
        for record in self._store.scan(f"{_PREFIX}{namespace}/"):
            quota = record.value
            used = {name: str(amount) for name, amount in self._quota.used(namespace, quota).items()}
            status: Object = {"hard": (quota.get("spec") or {}).get("hard") or {}, "used": used}
            if quota.get("status") == status:
                continue
            try:
                await self._store.update(record.key, quota | {"status": status}, expected=record.revision)
            except Mismatch:
                self._dirty.add(namespace)
            except (StorageFailed, StoreBusy, StoreClosed):
                # The disk may be full for long: looked at again, without hurry.
                self._dirty.add(namespace)
                await asyncio.sleep(_RETRY_S)
