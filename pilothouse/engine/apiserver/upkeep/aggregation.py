"""Keeps the rules of aggregated ClusterRoles those of the roles that they select."""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.authz import aggregation
from pilothouse.engine.apiserver.resources.keys import prefix_of
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.store import Store
from pilothouse.model.kinds import CLUSTERROLES

_ALL = "clusterroles"
"""The only key: what one role contains may depend on any other."""


class Aggregation:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue = Reconciler("clusterrole-aggregation", self._mend)

    async def run(self) -> None:
        """Works until it is cancelled."""
        watch = self._store.watch(prefix_of(CLUSTERROLES), self._store.revision, lambda change: self._queue.note(_ALL))
        try:
            self._queue.note(_ALL)
            await self._queue.run()
        finally:
            watch.close()

    async def caught_up(self, write: Write) -> None:
        """See `write.path.Follower`."""
        await self._queue.caught_up(_ALL)

    async def _mend(self, key: str) -> None:
        await aggregation.refresh(self._store)
