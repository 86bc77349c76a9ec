"""Keeps the status of ResourceQuotas true: what is used, looked at whenever something in their namespace changes."""

from pilothouse.engine.apiserver.admission.quota import ResourceQuota
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import Mismatch
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

_PREFIX = "/resourcequotas/"
_PAUSE_S = 0.05
"""Changes come in bursts; one count serves all of a burst."""


class QuotaStatus:
    """Keys of its queue are those of ResourceQuotas in the store."""

    def __init__(self, store: Store, quota: ResourceQuota) -> None:
        self._store = store
        self._quota = quota
        self._queue = Reconciler("quota-status", self._mend, floor_s=_PAUSE_S)

    async def run(self) -> None:
        """Works until it is cancelled."""
        watch = self._store.watch("/", self._store.revision, self._note)
        try:
            for record in self._store.scan(_PREFIX):
                self._queue.note(record.key)
            await self._queue.run()
        finally:
            watch.close()

    def _note(self, change: Change) -> None:
        namespace = change.key.split("/", 3)[2]
        for record in self._store.scan(f"{_PREFIX}{namespace}/") if namespace else ():
            self._queue.note(record.key)

    async def _mend(self, key: str) -> None:
        """Raises the store's refusals: it may be full for long."""
        record = self._store.get(key)
        if record is None:
            return
        quota, namespace = record.value, record.value["metadata"]["namespace"]
        await self._quota.prepare(namespace, quota)
        used = {name: str(amount) for name, amount in self._quota.used(namespace, quota).items()}
        status: Object = {"hard": (quota.get("spec") or {}).get("hard") or {}, "used": used}
        if quota.get("status") == status:
            return
        try:
            await self._store.update(key, quota | {"status": status}, expected=record.revision)
        except Mismatch:
            self._queue.note(key)
