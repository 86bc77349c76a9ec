"""A controller's own writes laid over its cache, so that it never acts twice on a cache that lags behind them.

A write is laid over until the informer has reached its revision; from then on the cache knows better. So there is nothing to
count and nothing to time out: what a reconciler sees is never older than what it did itself.
Source of the idea: client-go's MutationCache and the expectations of upstream's controllers, which this replaces.
"""

from pilothouse.client.index import IndexKeys
from pilothouse.client.informer import Informer
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object


def order(revision: str) -> int:
    """Revisions compare as integers (Kubernetes 1.35 promises it, KEP-5504); "" comes before all."""
    return natural(revision) or 0


class Fresh:
    """An informer's cache with this process's later writes. Objects come out as they are to be read: shared, never to be changed."""

    def __init__(self, informer: Informer, index: str = "", keys: IndexKeys | None = None) -> None:
        """index, keys: an index of the informer, asked for with `indexed`."""
        self.informer = informer
        self._index = index
        self._keys = keys
        self._written: dict[str, Object] = {}
        self._deleted: dict[str, str] = {}
        if keys is not None:
            informer.add_index(index, keys)

    def wrote(self, obj: Object) -> None:
        """Note the server's answer to a create, update or patch."""
        if not self._is_reached(obj):
            self._written[meta.key(obj)] = obj

    def deleted(self, obj: Object) -> None:
        """Note that the deletion of the object was accepted: it is on its way out, whatever the cache shows."""
        self._deleted[meta.uid(obj)] = meta.key(obj)

    def get(self, key: str) -> Object | None:
        self._prune()
        return self._written.get(key) or self.informer.get(key)

    def indexed(self, value: str) -> list[Object]:
        self._prune()
        cached = self.informer.by_index(self._index, value)
        if not self._written or self._keys is None:
            return cached
        found = {meta.key(obj): obj for obj in cached}
        for key, obj in self._written.items():
            found.pop(key, None)
            if value in self._keys(obj):
                found[key] = obj
        return list(found.values())

    def is_leaving(self, obj: Object) -> bool:
        """Being deleted, as far as the cache or this controller knows."""
        return meta.is_deleting(obj) or meta.uid(obj) in self._deleted

    def _is_reached(self, obj: Object) -> bool:
        return order(meta.resource_version(obj)) <= order(self.informer.revision)

    def _prune(self) -> None:
        for key in [key for key, obj in self._written.items() if self._is_reached(obj)]:
            del self._written[key]
        for uid in [uid for uid, key in self._deleted.items() if self._is_seen_leaving(uid, key)]:
            del self._deleted[uid]

    def _is_seen_leaving(self, uid: str, key: str) -> bool:
        cached = self._written.get(key) or self.informer.get(key)
        return cached is None or meta.uid(cached) != uid or meta.is_deleting(cached)
