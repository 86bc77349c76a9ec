"""What is read of a cluster for `ph why`, by whatever reads it."""

from collections.abc import Sequence
from typing import Any, Protocol

from pilothouse.client.client import ObjectList
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

Parts = dict[str, Any]
"""Fields of a Scene by name."""


class Reader(Protocol):
    """What of a `Client` is used here."""

    async def get_or_none(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None: ...

    async def list_all(self, resource: Resource, namespace: str | None = None, *, label_selector: str | None = None) -> ObjectList: ...


async def owned(reader: Reader, resource: Resource, namespace: str, owners: Sequence[Object]) -> list[Object]:
    """The objects whose controller is one of the owners."""
    if not owners:
        return []
    uids = {meta.uid(owner) for owner in owners}
    return [obj for obj in (await reader.list_all(resource, namespace)).items if (meta.controller_of(obj) or {}).get("uid") in uids]
