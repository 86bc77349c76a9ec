"""Writes the cluster's own objects, if they are missing or behind what this version ships.

Straight to the store: at this point there is no server yet that could be asked, and these objects are right by construction.
"""

import asyncio
import time
import uuid

from pilothouse.engine.apiserver.bootstrap.objects import Wanted, wanted_objects
from pilothouse.engine.apiserver.services.allocation import Allocation
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object


async def bootstrap(store: Store, settings: Settings, allocation: Allocation) -> None:
    """All at once: the store makes one transaction of what is queued together."""
    now = meta.rfc3339(time.time())
    async with asyncio.timeout(60):
        await asyncio.gather(*(_ensure(store, wanted, now) for wanted in wanted_objects(settings, allocation.network)))


async def _ensure(store: Store, wanted: Wanted, now: str) -> None:
    record = store.get(wanted.key)
    if record is None:
        metadata = wanted.value["metadata"] | {"uid": str(uuid.uuid4()), "creationTimestamp": now}
        await store.create(wanted.key, wanted.value | {"metadata": metadata})
    elif wanted.owned and (value := _merged(record.value, wanted)) != record.value:
        await store.update(wanted.key, value, expected=record.revision)


def _merged(current: Object, wanted: Wanted) -> Object:
    """The current object with the fields that are ours; labels and annotations that others added stay."""
    metadata = dict(current["metadata"])
    for name in ("labels", "annotations"):
        if stated := wanted.value["metadata"].get(name):
            metadata[name] = (metadata.get(name) or {}) | stated
    return current | {name: wanted.value[name] for name in wanted.owned} | {"metadata": metadata}
