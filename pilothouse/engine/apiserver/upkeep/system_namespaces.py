"""Makes the cluster's own namespaces again when one is gone. Source: pkg/controlplane/controller/systemnamespaces."""

import time

from pilothouse.engine.apiserver.bootstrap.objects import NAMESPACES, namespace
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import KeyExists
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.model import meta

_PREFIX = "/namespaces/"


class SystemNamespaces:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue = Reconciler("system-namespaces", self._mend)

    async def run(self) -> None:
        """Works until it is cancelled."""
        watch = self._store.watch(_PREFIX, self._store.revision, self._note)
        try:
            for name in NAMESPACES:
                self._queue.note(name)
            await self._queue.run()
        finally:
            watch.close()

    def _note(self, change: Change) -> None:
        name = change.record.value["metadata"]["name"]
        if change.type == "DELETED" and name in NAMESPACES:
            self._queue.note(name)

    async def _mend(self, name: str) -> None:
        wanted = namespace(name)
        metadata = wanted.value["metadata"] | {"uid": meta.new_uid(), "creationTimestamp": meta.rfc3339(time.time())}
        try:
            await self._store.create(wanted.key, wanted.value | {"metadata": metadata})
        except KeyExists:
            return
