"""Keeps the objects that say where the API server is as they have to be, when one is changed or deleted while it runs.

These are the Service `kubernetes` with its endpoints, and `kube-public/cluster-info`. Roles, bindings and priority classes are looked at
when a server starts only, as upstream does. Source: kubernetes pkg/controlplane/controller/kubernetesservice.
"""

from collections.abc import Iterable

from pilothouse.engine.apiserver.bootstrap.cluster import ensure
from pilothouse.engine.apiserver.bootstrap.objects import Wanted
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.model import meta


class OwnObjects:
    """Keys of its queue are those of the objects in the store."""

    def __init__(self, store: Store, wanted: Iterable[Wanted]) -> None:
        self._store = store
        self._wanted = {each.key: each for each in wanted}
        self._queue = Reconciler("own-objects", self._mend)

    async def run(self) -> None:
        """Works until it is cancelled."""
        watches = [self._store.watch(key, self._store.revision, self._note) for key in self._wanted]
        try:
            for key in self._wanted:
                self._queue.note(key)
            await self._queue.run()
        finally:
            for watch in watches:
                watch.close()

    def _note(self, change: Change) -> None:
        self._queue.note(change.record.key)

    async def _mend(self, key: str) -> None:
        record = self._store.latest(key)
        if record is not None and meta.is_deleting(record.value):
            return  # Its end brings the key here again.
        try:
            await ensure(self._store, self._wanted[key])
        except (KeyExists, Mismatch):
            self._queue.note(key)
