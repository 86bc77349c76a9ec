"""Writes the cluster's own objects, if they are missing or behind what this version ships.

Straight to the store: at this point there is no server yet that could be asked, and these objects are right by construction.
"""

import asyncio
import time
from contextlib import suppress

from pilothouse.engine.apiserver.authz import aggregation
from pilothouse.engine.apiserver.bootstrap import reconcile
from pilothouse.engine.apiserver.bootstrap.objects import RETIRED, Wanted, wanted_objects
from pilothouse.engine.apiserver.services.allocation import Allocation
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.errors import QuotaExceeded
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object


async def bootstrap(store: Store, settings: Settings, allocation: Allocation) -> None:
    """All at once: the store makes one transaction of what is queued together."""
    async with asyncio.timeout(60):
        await asyncio.gather(*(_ensure_if_room(store, wanted) for wanted in wanted_objects(settings, allocation.networks)))
        await asyncio.gather(*(_retire(store, key) for key in RETIRED))
    await aggregation.refresh(store)


async def _ensure_if_room(store: Store, wanted: Wanted) -> None:
    """A store at its quota must still start: only a running server lets anybody make room."""
    with suppress(QuotaExceeded):
        await ensure(store, wanted)


async def _retire(store: Store, key: str) -> None:
    record = store.get(key)
    if record is not None and not reconcile.is_protected(record.value):
        await store.delete(key, expected=record.revision)


async def ensure(store: Store, wanted: Wanted) -> None:
    """Raises KeyExists, Mismatch when somebody else was quicker, QuotaExceeded."""
    record = store.latest(wanted.key)
    metadata = wanted.value["metadata"] | {"uid": meta.new_uid(), "creationTimestamp": meta.rfc3339(time.time())}
    if record is None:
        await store.create(wanted.key, wanted.value | {"metadata": metadata})
        return
    value = _brought_up_to_date(record.value, wanted)
    if value is None:
        await store.delete(wanted.key, expected=record.revision)
        await store.create(wanted.key, wanted.value | {"metadata": metadata})
    elif value != record.value:
        await store.update(wanted.key, value, expected=record.revision)


def _brought_up_to_date(current: Object, wanted: Wanted) -> Object | None:
    """None for what has to be made anew."""
    if reconcile.is_protected(current):
        return current
    if "roleRef" in wanted.value:
        return reconcile.binding(current, wanted.value)
    if "rules" in wanted.value:
        return reconcile.role(current, wanted.value)
    if not wanted.owned and not wanted.merged:
        return current
    merged = {name: (current.get(name) or {}) | wanted.value[name] for name in wanted.merged}
    return reconcile.with_metadata(current, wanted.value) | merged | {name: wanted.value[name] for name in wanted.owned}
