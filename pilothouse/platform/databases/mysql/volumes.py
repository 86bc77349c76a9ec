"""Carries out what `objects.volumes` says of the volumes of instances."""

import contextlib
import time

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.errors import Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.actual import Actual
from pilothouse.platform.databases.mysql.objects import volumes


class Volumes:
    """Knows the volumes that carry an instance's label; others are asked for by name, once each."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._known = informers.of(kinds.PERSISTENTVOLUMES, label_selector=labels.INSTANCE)

    def watch(self, controller: Controller) -> None:
        """Have an instance looked at when one of its volumes has changed."""
        controller.watches(self._known, volumes.instance_keys)

    async def see_to(self, instance: Object, actual: Actual, *, keep: bool) -> bool:
        """Make the data of the instance's claims outlive these, or not; True when that was so already. Raises ApiError.

        Also those of members that have another volume since somebody has deleted their claims.
        """
        is_so, now, bound = True, meta.rfc3339(time.time()), [name for _, name in volumes.bound_to(actual.claims.values())]
        for old in volumes.of(instance, self._known.items()):
            if meta.name(old) not in bound and volumes.is_replaced(old, actual.claims):
                is_so = await self._is_so(old, volumes.patch(instance, old, keep=keep, replaced_at=now)) and is_so
        for name in bound:
            volume = self._known.get(name) or await self._client.get_or_none(kinds.PERSISTENTVOLUMES, name)
            if volume is not None:
                is_so = await self._is_so(volume, volumes.patch(instance, volume, keep=keep)) and is_so
        return is_so

    async def leave(self, instance: Object) -> bool:
        """Note on the volumes of an instance whose namespace goes what it was like; True when it is there."""
        now, is_so = meta.rfc3339(time.time()), True
        for volume in volumes.of(instance, self._known.items()):
            is_so = await self._is_so(volume, volumes.note(instance, volume, now)) and is_so
        return is_so

    async def database(self, claim: Object) -> str:
        """The first database of the instance that left the claim's volume, "" where none did."""
        name = claim["spec"].get("volumeName")
        volume = (self._known.get(name) or await self._client.get_or_none(kinds.PERSISTENTVOLUMES, name)) if name else None
        found = volumes.left(volume) if volume is not None else None
        return found.database if found is not None else ""

    async def _is_so(self, volume: Object, patch: Object | None) -> bool:
        """Else it is patched, that very volume as it was seen: one that has changed meanwhile is looked at again."""
        if patch is None:
            return True
        metadata = patch["metadata"] | {"uid": meta.uid(volume), "resourceVersion": meta.resource_version(volume)}
        with contextlib.suppress(Conflict, NotFound):
            await self._client.patch(kinds.PERSISTENTVOLUMES, meta.name(volume), patch | {"metadata": metadata})
        return False
