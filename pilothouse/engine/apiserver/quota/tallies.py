"""What is used in namespaces that have quotas: counted once, then kept by following the store.

Two readings: as committed, and as the writes on their way to disk leave it. The second is what a new write is judged by: it is queued
behind all of these, so that it is stored only if they are. So nothing has to be reserved, and nothing is counted twice.
Resources of which only the number matters are counted by the store itself.
"""

import asyncio
from collections.abc import Callable

import structlog

from pilothouse.engine.apiserver.quota.usage import Amounts, Scope, added, counts, is_only_counted, number_of, scope_of
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

_log = structlog.get_logger("apiserver")
_QUOTAS = "resourcequotas"
_WEIGHED = ("pods", "services", "persistentvolumeclaims")
"""Resources whose objects count by what is in them."""

_AT_ONCE = 200
"""Objects that are counted before the event loop does something else, where there is time: some milliseconds."""

Matches = Callable[[Scope | None], bool]


class Tally:
    """The objects of one resource in one namespace. Sums are kept by scope, of which there are few.

    uncounted: keys of objects that may have to be put in yet; changes may come meanwhile.
    """

    def __init__(self, group_resource: str, uncounted: list[str]) -> None:
        self.uncounted = uncounted
        self._group_resource = group_resource
        self._objects: dict[str, tuple[Scope | None, Amounts]] = {}
        self._sums: dict[Scope | None, Amounts] = {}

    def put(self, key: str, obj: Object) -> None:
        scope, amounts = scope_of(self._group_resource, obj), counts(self._group_resource, obj)
        self.drop(key)
        self._objects[key] = scope, amounts
        self._sums[scope] = added((self._sums.get(scope, {}), amounts))

    def drop(self, key: str) -> None:
        """Of an object that may not be there."""
        scope, amounts = self._objects.pop(key, (None, {}))
        if amounts:
            self._sums[scope] = added((self._sums[scope], _negative(amounts)))

    def total(self, matches: Matches) -> Amounts:
        return added(amounts for scope, amounts in self._sums.items() if matches(scope))

    def change(self, key: str, obj: Object | None, matches: Matches) -> Amounts:
        """What the total would differ by with another value of an object; None: without the object."""
        scope, before = self._objects.get(key, (None, {}))
        gone = _negative(before) if matches(scope) else {}
        if obj is None or not matches(scope_of(self._group_resource, obj)):
            return gone
        return added((gone, counts(self._group_resource, obj)))


class Tallies:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._tallies: dict[tuple[str, str], Tally] = {}

    def follow(self) -> None:
        for resource in (*_WEIGHED, _QUOTAS):
            self._store.watch(f"/{resource}/", self._store.revision, self._apply, internal=True)

    def committed(self, group_resource: str, namespace: str, matches: Matches) -> Amounts:
        if is_only_counted(group_resource):
            return number_of(group_resource, self._store.count(f"/{group_resource}/{namespace}/")) if matches(None) else {}
        return self._tally(group_resource, namespace).total(matches)

    def latest(self, group_resource: str, namespace: str, matches: Matches) -> Amounts:
        """With the writes that are on their way to disk."""
        committed = self.committed(group_resource, namespace, matches)
        pending = self._store.pending(f"/{group_resource}/{namespace}/")
        if not pending:
            return committed
        if is_only_counted(group_resource):
            return added((committed, number_of(group_resource, sum(map(self._difference, pending)))) if matches(None) else ())
        tally = self._tally(group_resource, namespace)
        return added((committed, *(tally.change(each.key, _value(each), matches) for each in pending)))

    def _difference(self, change: Change) -> int:
        """In the number of objects."""
        return int(change.type != "DELETED") - int(self._store.get(change.key) is not None)

    def _tally(self, group_resource: str, namespace: str) -> Tally:
        tally = self._known(group_resource, namespace)
        self._count(tally, len(tally.uncounted))
        return tally

    async def prepare(self, group_resource: str, namespace: str) -> None:
        """Count what will be asked for, a part at a time, so that no write has to wait for all of it."""
        if is_only_counted(group_resource):
            return
        while (tally := self._known(group_resource, namespace)).uncounted:
            self._count(tally, _AT_ONCE)
            await asyncio.sleep(0)

    def _known(self, group_resource: str, namespace: str) -> Tally:
        tally = self._tallies.get((namespace, group_resource))
        if tally is None:
            keys = [record.key for record in self._store.scan(f"/{group_resource}/{namespace}/")]
            tally = self._tallies[namespace, group_resource] = Tally(group_resource, keys)
        return tally

    def _count(self, tally: Tally, most: int) -> None:
        for _ in range(min(most, len(tally.uncounted))):
            record = self._store.get(tally.uncounted.pop())
            if record is not None:
                tally.put(record.key, record.peek())

    def _apply(self, change: Change) -> None:
        _, resource, namespace, _ = change.key.split("/", 3)
        if resource == _QUOTAS:
            if not self._store.count(f"/{_QUOTAS}/{namespace}/"):
                self._forget(namespace)
            return
        tally = self._tallies.get((namespace, resource))
        if tally is None:
            return
        try:
            self._note(tally, change)
        except Exception:  # One object that cannot be counted must not end the counting of all others.
            _log.exception("what a namespace uses is counted anew", namespace=namespace, resource=resource, key=change.key)
            del self._tallies[namespace, resource]

    def _note(self, tally: Tally, change: Change) -> None:
        value = _value(change)
        if value is None:
            tally.drop(change.key)
        else:
            tally.put(change.key, value)

    def _forget(self, namespace: str) -> None:
        for resource in _WEIGHED:
            self._tallies.pop((namespace, resource), None)


def _value(change: Change) -> Object | None:
    return None if change.type == "DELETED" else change.record.value


def _negative(amounts: Amounts) -> Amounts:
    return {name: -amount for name, amount in amounts.items()}
